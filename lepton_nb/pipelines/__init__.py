"""Which notebook runs when, with what, and how did it end?"""

from .executors import Executor, LocalExecutor, StepJob, StepResult
from .history import expired, named, prune, status
from .outputs import OUTPUT_FILE, in_step, parse_assignment, record_output
from .planning import Pipeline, Plan, StepSpec, load, parse_yaml, plan
from .running import follow, graph, run
from .starter import new

__all__ = [
    "OUTPUT_FILE",
    "Executor",
    "LocalExecutor",
    "Pipeline",
    "Plan",
    "StepJob",
    "StepResult",
    "StepSpec",
    "expired",
    "follow",
    "graph",
    "in_step",
    "load",
    "named",
    "new",
    "parse_assignment",
    "parse_yaml",
    "plan",
    "prune",
    "record_output",
    "run",
    "status",
]
