"""Has a sample moved away from another one? Counts in the same bins, and whole tables."""

from .parquet import columns_of_file
from .tables import compare_tables
from .verdict import ALPHA, EFFECT, MINIMUM_ROWS, PREDICTION, compare, counts_of, drift, judged

__all__ = [
    "ALPHA",
    "EFFECT",
    "MINIMUM_ROWS",
    "PREDICTION",
    "columns_of_file",
    "compare",
    "compare_tables",
    "counts_of",
    "drift",
    "judged",
]
