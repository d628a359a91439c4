"""How is a network fitted to data, in a process of its own?"""

from .attending import attach
from .events import Tail
from .following import last_lines
from .job import ask_to_stop
from .options import FIT_OPTIONS, Accelerator, Fit, Place, Precision
from .resuming import resume
from .sources import travels
from .starting import check, train
from .stopping import stop

__all__ = [
    "FIT_OPTIONS",
    "Accelerator",
    "Fit",
    "Place",
    "Precision",
    "Tail",
    "ask_to_stop",
    "attach",
    "check",
    "last_lines",
    "resume",
    "stop",
    "train",
    "travels",
]
