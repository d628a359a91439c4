"""How good is a model, and how are its inputs and latencies spread? Pure functions of arrays."""

from .classification import calibration_error, classification_scores, confusion
from .column_tally import ColumnTally, ValueScores
from .distance import chi_square, corrected, divergence, excess_distance, kolmogorov_smirnov, stability_index
from .error_tally import ErrorTally
from .estimate import Estimate, calibrated, expected_accuracy
from .grid import count_grid
from .histogram import count_category, count_number, distinct_of, edges_of
from .latency import LATENCY_EDGES_MS, latency_histogram, quantile
from .multilabel import multilabel_scores, task_scores
from .paired import difference_interval, mcnemar, share_fell
from .regression import coverage, regression_scores
from .sums import CONFIDENCE_BINS
from .tally import HELD_OUT_FILE, MISSING_SEGMENT, UNSEEN_SEGMENT, Tally, count_confidence
from .texts import text_statistics

__all__ = [
    "CONFIDENCE_BINS",
    "HELD_OUT_FILE",
    "LATENCY_EDGES_MS",
    "MISSING_SEGMENT",
    "UNSEEN_SEGMENT",
    "ColumnTally",
    "ErrorTally",
    "Estimate",
    "Tally",
    "ValueScores",
    "calibrated",
    "calibration_error",
    "chi_square",
    "classification_scores",
    "confusion",
    "corrected",
    "count_category",
    "count_confidence",
    "count_grid",
    "count_number",
    "coverage",
    "difference_interval",
    "distinct_of",
    "divergence",
    "edges_of",
    "excess_distance",
    "expected_accuracy",
    "kolmogorov_smirnov",
    "latency_histogram",
    "mcnemar",
    "multilabel_scores",
    "quantile",
    "regression_scores",
    "share_fell",
    "stability_index",
    "task_scores",
    "text_statistics",
]
