"""What is done next, until all of a plan is done?"""

from .following import follow
from .runs import graph, run

__all__ = ["follow", "graph", "run"]
