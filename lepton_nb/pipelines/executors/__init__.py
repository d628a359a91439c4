"""Who executes a step?"""

from .local import LocalExecutor
from .protocol import Executor, StepJob, StepResult

__all__ = ["Executor", "LocalExecutor", "StepJob", "StepResult"]
