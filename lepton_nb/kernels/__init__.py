"""How is a kernel, a trainer or a worker started with its imports already done?

`provisioner` and `warm` import Jupyter's client: import them where they are used.
"""

from .foreground import run_in_foreground
from .starting import Bound, exit_status, start_bound, start_detached

__all__ = ["Bound", "exit_status", "run_in_foreground", "start_bound", "start_detached"]
