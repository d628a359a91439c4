"""What does a running model look like, in a page that keeps itself up to date?"""

from .launcher import launch, page_path, stop
from .live import deployments

__all__ = ["deployments", "launch", "page_path", "stop"]
