"""What has run, and how is it told later?"""

from .pruning import expired, named, prune
from .reading import newest, status
from .recording import REPORT, Asked, Earlier, Ledger, begin, read_step, reopen
from .report import page

__all__ = [
    "REPORT",
    "Asked",
    "Earlier",
    "Ledger",
    "begin",
    "expired",
    "named",
    "newest",
    "page",
    "prune",
    "read_step",
    "reopen",
    "status",
]
