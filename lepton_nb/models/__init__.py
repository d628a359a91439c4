"""Which network is trained, and how is a trained one kept and loaded?"""

from .spec import PICKLE, Spec, is_lightning, require_lightning, specify
from .trained import load_trained
from .weights import load_weights, save_weights
from .zoo import build, names

__all__ = [
    "PICKLE",
    "Spec",
    "build",
    "is_lightning",
    "load_trained",
    "load_weights",
    "names",
    "require_lightning",
    "save_weights",
    "specify",
]
