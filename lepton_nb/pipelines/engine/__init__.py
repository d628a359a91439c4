"""How does a notebook run, and how did it really end? Imports Papermill only when a notebook is executed."""

from .ending import Ending
from .entry import LeptonEngine
from .execution import execute

__all__ = ["Ending", "LeptonEngine", "execute"]
