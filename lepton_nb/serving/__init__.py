"""How does a packaged model answer requests, and how is it asked?"""

from .aliasing import point_aliases
from .deployed import deployments, get, logs, stop
from .pointing import served_runs
from .prediction import predict, predict_bento
from .promoting import promote, rollback
from .scoring import score
from .server import serve

__all__ = [
    "deployments", "get", "logs", "point_aliases", "predict", "predict_bento", "promote", "rollback", "score", "serve",
    "served_runs", "stop",
]  # fmt: skip
