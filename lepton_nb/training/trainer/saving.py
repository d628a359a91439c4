"""Checkpoints, written whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ...errors import StorageError, TrainingError
from ...records import printable
from ...workspace import file_sha256
from ..checkpoints import Checkpoint, checkpoint_folder, enter
from ..job import Job
from .carried import plain

__all__ = ["Saver"]


class Saver:
    """Writes the checkpoints of a run.

    Args:
        job: the job.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._saved = job, time.monotonic()
        # Whether the loaders can go on within an epoch; whether the checkpoint that is being made stands within one.
        self.exact, self.within, self._proven = False, False, False
        # Batches that were done at the last checkpoint.
        self.batches = -1

    def is_due(self, least: float | None = None) -> bool:
        """Whether the last checkpoint is old enough; `least` seconds stand for the job's own interval."""
        interval = self._job.fit.checkpoint_every
        return time.monotonic() - self._saved >= (interval if least is None else min(least, interval))

    def save(self, trainer: Any, batches: int, epoch: int, *, within: bool) -> None:
        """Write a checkpoint; all processes of a training call it at the same batch.

        Args:
            trainer: Lightning's Trainer.
            batches: training batches that are done.
            epoch: the epoch that it goes on in, counted from 0.
            within: whether it stands behind a batch; else at the start of the epoch.

        Raises:
            StorageError: it could not be written; the ones before are as they were.
        """
        place = checkpoint_folder(self._job.folder)
        name = f"{batches:09d}.ckpt"
        temporary = place / f"{name}.new"
        self.within = within
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            # As `Trainer.save_checkpoint` does it.
            checkpoint = plain(trainer._checkpoint_connector.dump_checkpoint(weights_only=False))  # noqa: SLF001
            trainer.strategy.save_checkpoint(checkpoint, temporary)
            trainer.strategy.barrier()
            if trainer.is_global_zero:
                self._prove(temporary)
                self._enter(
                    temporary,
                    Checkpoint(name, file_sha256(temporary), temporary.stat().st_size, epoch, batches, self.exact),
                )
        except OSError as cause:
            temporary.unlink(missing_ok=True)
            raise _not_written(place / name, trainer, self._job, cause) from cause
        finally:
            self.within = False
        self.batches, self._saved = batches, time.monotonic()

    def _prove(self, path: Path) -> None:
        """Read the first checkpoint of a process as a run that goes on will, without running code."""
        if self._proven:
            return
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as cause:
            path.unlink()
            found = re.search(r"GLOBAL (\S+)", str(cause))
            raise TrainingError(
                "the network saves what cannot be read back without running code, so no run could go on",
                expected="numbers, texts and tensors from on_save_checkpoint and the states of schedules and callbacks",
                got=found[1] if found else printable(str(cause))[:200],
                hint="save such things as numbers or tensors",
            ) from cause
        self._proven = True

    def _enter(self, temporary: Path, made: Checkpoint) -> None:
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(checkpoint_folder(self._job.folder) / made.file)
        enter(self._job.folder, made)


def _not_written(path: Path, trainer: Any, job: Job, cause: OSError) -> StorageError:
    """What was to be written, and what there is room for."""
    size = sum(value.nbytes for value in trainer.lightning_module.state_dict().values())
    for optimizer in trainer.optimizers:
        states = (value for state in optimizer.state.values() for value in state.values())
        size += sum(value.nbytes for value in states if hasattr(value, "nbytes"))
    free = shutil.disk_usage(job.folder).free
    return StorageError(
        f"checkpoint {path} could not be written: {cause.strerror or cause}",
        expected=f"room for about {size:,} bytes",
        got=f"{free:,} bytes free",
        hint=f"make room, then lepton resume {job.name}; the checkpoint before is as it was",
    )
