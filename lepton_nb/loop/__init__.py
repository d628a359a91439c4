"""Does a deployed model still do, and if not, may a new one take its place? Drift, retraining, gate, promotion."""

from .options import WatchOptions
from .starting import answer, follow, is_watched, start, status, stop, watches

__all__ = ["WatchOptions", "answer", "follow", "is_watched", "start", "status", "stop", "watches"]
