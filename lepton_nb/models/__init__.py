"""Which network is trained, and how is a trained one kept and loaded?"""

from .examples import EXAMPLES, Batch, Examples, assigned, read_examples, write_examples
from .hubs import fetch_weights, is_on_hub
from .pretrained import Taken, backbone_of, head_of, is_under, shapes_in, take
from .shipped import pack, ship, unpack
from .spec import PICKLE, Spec, asks_for_shapes, has_loaders, is_lightning, require_callback, require_lightning, specify
from .trained import load_trained
from .weights import load_weights, save_weights
from .written import WRITTEN, Written, written
from .zoo import build, names, smallest_row

__all__ = [
    "EXAMPLES",
    "PICKLE",
    "WRITTEN",
    "Batch",
    "Examples",
    "Spec",
    "Taken",
    "Written",
    "asks_for_shapes",
    "assigned",
    "backbone_of",
    "build",
    "fetch_weights",
    "has_loaders",
    "head_of",
    "is_lightning",
    "is_on_hub",
    "is_under",
    "load_trained",
    "load_weights",
    "names",
    "pack",
    "read_examples",
    "require_callback",
    "require_lightning",
    "save_weights",
    "shapes_in",
    "ship",
    "smallest_row",
    "specify",
    "take",
    "unpack",
    "write_examples",
    "written",
]
