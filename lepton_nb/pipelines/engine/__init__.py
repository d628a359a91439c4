"""How does a notebook run, and how did it really end? Imports Papermill only when a notebook is executed."""

from .ending import Ending, Status
from .entry import LeptonEngine
from .execution import execute
from .settling import settle
from .sockets import SocketFolder
from .watch import resident

__all__ = ["Ending", "LeptonEngine", "SocketFolder", "Status", "execute", "resident", "settle"]
