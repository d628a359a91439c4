"""Which network is trained, and how is a trained one kept and loaded?"""

from .shipped import pack, ship, unpack
from .spec import PICKLE, Spec, asks_for_shapes, has_loaders, is_lightning, require_callback, require_lightning, specify
from .trained import load_trained
from .weights import load_weights, save_weights
from .written import WRITTEN, Written, written
from .zoo import build, names

__all__ = [
    "PICKLE",
    "WRITTEN",
    "Spec",
    "Written",
    "asks_for_shapes",
    "build",
    "has_loaders",
    "is_lightning",
    "load_trained",
    "load_weights",
    "names",
    "pack",
    "require_callback",
    "require_lightning",
    "save_weights",
    "ship",
    "specify",
    "unpack",
    "written",
]
