"""How does a training look while it runs, and what stays of it in the cell?"""

from .places import in_voila
from .view import TrainingView

__all__ = ["TrainingView", "in_voila"]
