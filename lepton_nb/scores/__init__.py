"""How good is a model, and how are its inputs and latencies spread? Pure functions of arrays."""

from .classification import calibration_error, classification_scores, confusion
from .histogram import count_category, count_number, edges_of
from .latency import LATENCY_EDGES_MS, latency_histogram, quantile

__all__ = [
    "LATENCY_EDGES_MS",
    "calibration_error",
    "classification_scores",
    "confusion",
    "count_category",
    "count_number",
    "edges_of",
    "latency_histogram",
    "quantile",
]
