"""Which notebook runs when, with what, and how did it end?"""

from .document import parse_yaml
from .executor import Executor, StepJob, StepResult
from .local import LocalExecutor
from .outputs import OUTPUT_FILE, in_step, parse_assignment, record_output
from .planning import Plan, plan
from .recording import status
from .running import graph, run
from .schema import Pipeline, StepSpec, load

__all__ = [
    "OUTPUT_FILE",
    "Executor",
    "LocalExecutor",
    "Pipeline",
    "Plan",
    "StepJob",
    "StepResult",
    "StepSpec",
    "graph",
    "in_step",
    "load",
    "parse_assignment",
    "parse_yaml",
    "plan",
    "record_output",
    "run",
    "status",
]
