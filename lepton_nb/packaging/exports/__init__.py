"""Which other formats can a run's network take, and what does each of them cost?"""

from .exporting import export
from .formats import FORMATS

__all__ = ["FORMATS", "export"]
