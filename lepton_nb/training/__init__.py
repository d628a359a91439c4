"""How is a network fitted to data, in a process of its own?"""

from .starting import train
from .stopping import stop

__all__ = ["stop", "train"]
