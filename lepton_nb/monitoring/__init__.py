"""Is a deployment well, and does it still see what it was trained on?"""

from .health import health, traffic
from .labels import labelled
from .offline import check_drift
from .verdict import drift
from .windows import observe

__all__ = ["check_drift", "drift", "health", "labelled", "observe", "traffic"]
