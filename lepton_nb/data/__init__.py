"""Which rows are there, how are they split, and what does a network see of them?"""

from .batching import module
from .checking import check
from .inputs import inputs_of
from .loading import load
from .preprocessing import Normaliser, features, preprocessing
from .profiling import profile
from .reading import read
from .sources import SUFFIXES, is_builtin
from .store import find

__all__ = [
    "SUFFIXES",
    "Normaliser",
    "check",
    "features",
    "find",
    "inputs_of",
    "is_builtin",
    "load",
    "module",
    "preprocessing",
    "profile",
    "read",
]
