"""How does a packaged model answer requests, and how is it asked?"""

from .deployed import deployments, get, stop
from .pointing import served_runs
from .prediction import predict, predict_bento
from .server import serve

__all__ = ["deployments", "get", "predict", "predict_bento", "serve", "served_runs", "stop"]
