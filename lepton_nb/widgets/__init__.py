"""How does a training look while it runs, and what stays of it in the cell?"""

from .places import in_voila
from .state import Facts, Training
from .view import TrainingView

__all__ = ["Facts", "Training", "TrainingView", "in_voila"]
