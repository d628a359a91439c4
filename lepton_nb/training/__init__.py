"""How is a network fitted to data, in a process of its own?"""

from .starting import check, train
from .stopping import stop

__all__ = ["check", "stop", "train"]
