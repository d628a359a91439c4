"""Is a deployment well, and does it still see what it was trained on?"""

from .comparing import drift_over_time, histograms
from .facts import facts
from .health import health, traffic
from .labels import labelled
from .offline import check_drift
from .quality import quality
from .reading import predictions
from .using import usage
from .verdict import drift
from .windows import as_counted, observe

__all__ = [
    "as_counted",
    "check_drift",
    "drift",
    "drift_over_time",
    "facts",
    "health",
    "histograms",
    "labelled",
    "observe",
    "predictions",
    "quality",
    "traffic",
    "usage",
]
