"""What does a running model look like, in a page that keeps itself up to date?"""

from .launcher import door, is_running, launch, page_path, stop
from .live import deployments

__all__ = ["deployments", "door", "is_running", "launch", "page_path", "stop"]
