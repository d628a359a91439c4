"""Which network is trained, and how is a trained one kept and loaded?"""

from .examples import EXAMPLES, Batch, Examples, assigned, read_examples, write_examples
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
    "Written",
    "asks_for_shapes",
    "assigned",
    "build",
    "has_loaders",
    "is_lightning",
    "load_trained",
    "load_weights",
    "names",
    "pack",
    "read_examples",
    "require_callback",
    "require_lightning",
    "save_weights",
    "ship",
    "smallest_row",
    "specify",
    "unpack",
    "write_examples",
    "written",
]
