"""Which rows are there, how are they split, and what does a network see of them?"""

from .batching import module
from .loading import load
from .preprocessing import Normaliser, features, preprocessing
from .reading import read
from .store import find

__all__ = ["Normaliser", "features", "find", "load", "module", "preprocessing", "read"]
