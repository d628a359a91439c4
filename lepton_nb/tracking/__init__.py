"""What was run, with which parameters, and how well did it do?"""

from .address import uri
from .aliases import point_alias, remove_alias
from .deleting import delete
from .ending import ending
from .history import last_steps, lines
from .listing import known
from .liveness import living, mark_process, process_of
from .pruning import expired, prune
from .reading import find, get, recorded, runs
from .reopening import reopen_run
from .template import create
from .writing import finish_run, flush, log_files, log_metrics, metric_name, set_tags, spool_metrics, start_run

__all__ = [
    "create",
    "delete",
    "ending",
    "expired",
    "find",
    "finish_run",
    "flush",
    "get",
    "known",
    "last_steps",
    "lines",
    "living",
    "log_files",
    "log_metrics",
    "mark_process",
    "metric_name",
    "point_alias",
    "process_of",
    "prune",
    "recorded",
    "remove_alias",
    "reopen_run",
    "runs",
    "set_tags",
    "spool_metrics",
    "start_run",
    "uri",
]
