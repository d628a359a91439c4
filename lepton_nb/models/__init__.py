"""Which network is trained, and how is a trained one kept and loaded?"""

from .examples import EXAMPLES, Batch, Examples, assigned, read_examples, write_examples
from .hubs import fetch_weights, is_on_hub
from .pretrained import Taken, backbone_of, head_of, is_under, shapes_in, take
from .rl import PARTS, Environment, Episodes, environment, is_environment, walked, write_seen
from .shipped import pack, ship, unpack
from .spec import PICKLE, Spec, has_loaders, is_lightning, require_callback, require_lightning
from .specifying import arguments, asks_for_shapes, specify, specify_agent, usual
from .trained import environment_of, load_trained
from .weights import load_weights, save_weights
from .written import WRITTEN, Written, written
from .zoo import build, is_agent, names, networks, options_of, smallest_row

__all__ = [
    "EXAMPLES",
    "PARTS",
    "PICKLE",
    "WRITTEN",
    "Batch",
    "Environment",
    "Episodes",
    "Examples",
    "Spec",
    "Taken",
    "Written",
    "arguments",
    "asks_for_shapes",
    "assigned",
    "backbone_of",
    "build",
    "environment",
    "environment_of",
    "fetch_weights",
    "has_loaders",
    "head_of",
    "is_agent",
    "is_environment",
    "is_lightning",
    "is_on_hub",
    "is_under",
    "load_trained",
    "load_weights",
    "names",
    "networks",
    "options_of",
    "pack",
    "read_examples",
    "require_callback",
    "require_lightning",
    "save_weights",
    "shapes_in",
    "ship",
    "smallest_row",
    "specify",
    "specify_agent",
    "take",
    "unpack",
    "usual",
    "walked",
    "write_examples",
    "write_seen",
    "written",
]
