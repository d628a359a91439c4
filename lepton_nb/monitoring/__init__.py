"""Is a deployment well, and does it still see what it was trained on?"""

from .alerts import alerts, check_alerts, evaluate_alerts, remember_alerts
from .catching import catch_up
from .comparing import drift_over_time, histograms
from .elsewhere import ELSEWHERE, adopt, is_elsewhere, living_elsewhere, on_trial
from .facts import facts, kinds_of, names_of
from .health import health, traffic
from .labels import feedback, labelled
from .monitored import monitor
from .offline import check_drift
from .quality import quality
from .reading import predictions
from .using import usage
from .windows import WHOLE, as_counted, observe

__all__ = [
    "ELSEWHERE",
    "WHOLE",
    "adopt",
    "alerts",
    "as_counted",
    "catch_up",
    "check_alerts",
    "check_drift",
    "drift_over_time",
    "evaluate_alerts",
    "facts",
    "feedback",
    "health",
    "histograms",
    "is_elsewhere",
    "kinds_of",
    "labelled",
    "living_elsewhere",
    "monitor",
    "names_of",
    "observe",
    "on_trial",
    "predictions",
    "quality",
    "remember_alerts",
    "traffic",
    "usage",
]
