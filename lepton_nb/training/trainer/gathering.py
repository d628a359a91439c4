"""Some rows of a notebook's own loaders are kept beside the job: its loaders go with the training."""

from __future__ import annotations

import contextlib
from typing import Any

from ...errors import LeptonError
from ...models import Batch, assigned, read_examples, write_examples
from ..job import Job

__all__ = ["Gatherer"]

_ROWS = {"train": 2048, "validation": 512}
_BYTES = 8 * 2**20
_LONGEST = 500


class Gatherer:
    """A callback that keeps the first batches of a training and of its first validation, and then does nothing.

    It looks at what passes by, before a step can change it: nothing is loaded for it, and nothing is drawn.

    Args:
        job: the job.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._folder = job.folder / "job"
        self._parts: dict[str, list[Batch]] = {"train": [], "validation": []}
        # Parts that have as much as is kept: each batch of a training passes by here.
        self._full: set[str] = set()
        self._fault, self._classes = "", tuple[str, ...]()
        # A run that goes on has its examples already, but for those of a validation that was yet to come.
        self._is_done, self._is_seen = False, False
        with contextlib.suppress(LeptonError):
            if found := read_examples(self._folder):
                self._parts = {"train": list(found.train), "validation": list(found.validation)}
                self._is_done, self._is_seen = bool(found.validation or found.fault), True

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Keep a batch of the training part."""
        self._classes = tuple(getattr(pl_module, "action_names", ()))
        if not self._is_seen:
            self._keep("train", pl_module, batch)

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keep a batch that the network did not learn from."""
        if dataloader_idx == 0:
            if batch_idx == 0 and not self._is_done:
                # Several within an epoch show the same rows again.
                self._parts["validation"].clear()
                self._full.discard("validation")
            self._keep("validation", pl_module, batch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The first epoch has shown all that there is, but for a validation that comes later."""
        self._write(is_last=not trainer.enable_validation or bool(self._parts["validation"]))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """A training that ends within its first epoch has shown something, too."""
        self._write(is_last=True)

    def _keep(self, part: str, network: Any, batch: Any) -> None:
        if self._is_done or self._fault or part in self._full:
            return
        kept = self._parts[part]
        rows, size = sum(one.rows for one in kept), sum(_size(one) for one in kept)
        if rows >= _ROWS[part] or size >= _BYTES:
            self._full.add(part)
            return
        try:
            found = assigned(network, batch)
        except Exception as cause:  # noqa: BLE001 - whoever packages the run is told; a training needs none of it
            told = str(cause) if isinstance(cause, LeptonError) else f"{type(cause).__name__}: {cause}"
            self._fault = " ".join(told.split())[:_LONGEST]
            return
        most = max(1, min(_ROWS[part] - rows, (_BYTES - size) * found.rows // max(_size(found), 1)))
        kept.append(
            Batch(
                {name: value[:most] for name, value in found.inputs.items()},
                {name: value[:most] for name, value in found.targets.items() if len(value) == found.rows},
                # Without one of its parts it cannot be given again.
                found.layout if all(len(value) == found.rows for value in found.targets.values()) else "",
            )
        )

    def _write(self, *, is_last: bool) -> None:
        if self._is_done:
            return
        if not self._is_seen or self._parts["validation"]:
            self._is_seen = True
            # A full disk says so where the weights are written.
            with contextlib.suppress(OSError, LeptonError):
                parts = self._parts["train"], self._parts["validation"]
                write_examples(self._folder, *parts, self._fault, self._classes)
        if is_last:
            self._is_done, self._parts = True, {"train": [], "validation": []}


def _size(batch: Batch) -> int:
    return sum(one.nbytes for one in (*batch.inputs.values(), *batch.targets.values()))
