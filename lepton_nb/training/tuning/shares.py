"""What each trial has: a part of the machine, processors or a GPU, and the rows that all of them learn from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from ... import data
from ...records import Data
from ..trainer.rows import ROWS
from ..trainer.threads import CPUS, cpu_count
from .plan import Plan

__all__ = ["Shares"]

_VISIBLE = "CUDA_VISIBLE_DEVICES"


class Shares:
    """The machine, shared among the trials that run at a time.

    Args:
        plan: of the study.
        prepared: where rows are written that all trials read.
    """

    def __init__(self, plan: Plan, prepared: Path) -> None:
        self._folder, self._prepared = prepared, False
        accelerator = str(plan.fit.get("accelerator", "auto"))
        self._gpus = _gpus() if accelerator != "cpu" else ()
        self._cpus = cpu_count()
        self.jobs = plan.jobs or len(self._gpus) or self._cpus

    def free(self, taken: Sequence[int]) -> int | None:
        """A share that nobody has; None when there is none."""
        return next((slot for slot in range(self.jobs) if slot not in taken), None)

    def prepare(self, rows: Data) -> None:
        """Write the rows as a network sees them; where that cannot be, each trial makes them for itself."""
        # A trial tells what stands in the way, too, and is one of many.
        with contextlib.suppress(Exception):
            self._prepared = data.prepare(rows, self._folder)

    def variables(self, slot: int) -> dict[str, str]:
        """What tells a trainer which share is its own, and where the rows lie."""
        found = {CPUS: str(max(1, self._cpus // self.jobs))}
        if self._prepared:
            found[ROWS] = str(self._folder.absolute())
        return found | ({_VISIBLE: self._gpus[slot % len(self._gpus)]} if self._gpus else {})


def _gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA calls them."""
    if (named := os.environ.get(_VISIBLE)) is not None:
        return tuple(filter(None, (one.strip() for one in named.split(","))))
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))
