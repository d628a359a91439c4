"""How does a notebook run, and how did it really end? Imports Papermill only when a notebook is executed."""

from .ending import Ending, Status
from .entry import LeptonEngine
from .execution import execute
from .settling import settle

__all__ = ["Ending", "LeptonEngine", "Status", "execute", "settle"]
