"""What does a step's result depend on, and is that result here already?"""

from .contents import stamp
from .keys import Cell, canonical, code_cells, key
from .sources import Sources
from .store import Entry, Store

__all__ = ["Cell", "Entry", "Sources", "Store", "canonical", "code_cells", "key", "stamp"]
