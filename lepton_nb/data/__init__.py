"""Which rows are there, how are they split, and what does a network see of them?"""

from .augmenting import augmentation_of, refuse_augmentation
from .batching import module
from .checking import check
from .columnwise import columns_of
from .inputs import inputs_of
from .loading import load
from .opening import is_source
from .prepared import prepare
from .preprocessing import Normaliser, features, preprocessing
from .profiling import profile
from .reading import read, sample, sides
from .shared import shared_tokens
from .sources import SUFFIXES, Choices, is_builtin
from .store import find
from .texts import TextOptions
from .windows import series_of

__all__ = [
    "SUFFIXES",
    "Choices",
    "Normaliser",
    "TextOptions",
    "augmentation_of",
    "check",
    "columns_of",
    "features",
    "find",
    "inputs_of",
    "is_builtin",
    "is_source",
    "load",
    "module",
    "prepare",
    "preprocessing",
    "profile",
    "read",
    "refuse_augmentation",
    "sample",
    "series_of",
    "shared_tokens",
    "sides",
]
