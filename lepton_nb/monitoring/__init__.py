"""Is a deployment well, and does it still see what it was trained on?"""

from .health import health, traffic
from .labels import labelled
from .offline import check_drift
from .reading import predictions
from .verdict import drift
from .windows import as_counted, observe

__all__ = ["as_counted", "check_drift", "drift", "health", "labelled", "observe", "predictions", "traffic"]
