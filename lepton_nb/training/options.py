"""How a network is to be fitted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from numbers import Real
from typing import Any, Literal

from ..data import augmentation_of
from ..errors import UsageError

__all__ = [
    "FIT_OPTIONS",
    "FIXED",
    "OWN",
    "TRAINER",
    "Accelerator",
    "Fit",
    "Place",
    "Precision",
    "check_rate",
    "check_trainer",
]

Precision = Literal["auto", "32", "64", "16-mixed", "bf16-mixed", "bf16-true"]
Accelerator = Literal["auto", "cpu", "gpu"]
Place = Literal["local", "ray"]

# Arguments of Lightning's Trainer that have a word of their own here, or that the run itself stands on.
OWN = {
    "max_epochs": "epochs",
    "max_steps": "steps",
    "precision": "precision",
    "devices": "devices",
    "accelerator": "accelerator",
    "gradient_clip_val": "clip",
    "accumulate_grad_batches": "accumulate",
    "callbacks": "callback",
    "num_nodes": "on ray --workers N",
    "strategy": "devices",
}
FIXED = (
    "logger",
    "default_root_dir",
    "enable_checkpointing",
    "enable_progress_bar",
    "enable_model_summary",
    "barebones",
    "use_distributed_sampler",
    "overfit_batches",
)
# What else it takes; written down, since a kernel must not import Lightning to tell.
TRAINER = (
    "benchmark",
    "check_val_every_n_epoch",
    "detect_anomaly",
    "deterministic",
    "enable_autolog_hparams",
    "fast_dev_run",
    "gradient_clip_algorithm",
    "inference_mode",
    "limit_predict_batches",
    "limit_test_batches",
    "limit_train_batches",
    "limit_val_batches",
    "log_every_n_steps",
    "max_time",
    "min_epochs",
    "min_steps",
    "model_registry",
    "num_sanity_val_steps",
    "plugins",
    "profiler",
    "reload_dataloaders_every_n_epochs",
    "sync_batchnorm",
    "val_check_interval",
)


@dataclass(frozen=True)
class Fit:
    """How to fit.

    Args:
        epochs: most epochs.
        batch_size: rows per step, of all devices and workers together.
        seed: of the weights and of the order of the rows.
        patience: epochs without a better monitored metric before it ends; 0 never ends early.
        steps: most steps; 0 leaves the end to the epochs.
        monitor: the metric that says which epoch is the best; empty for a loss, of validation where there is one.
        precision: as Lightning names it; `auto` is bf16-mixed on a GPU that has it, else 32.
        accelerator: `auto` takes a GPU where there is one.
        devices: processes of this machine, one GPU or CPU share each.
        on: `local`, or `ray` for the cluster of RAY_ADDRESS.
        workers: Ray workers; 0 unless `on` is `ray`.
        clip: largest norm of the gradients; 0 leaves them as they are.
        accumulate: batches per step.
        checkpoint_every: seconds between two checkpoints; at each end of an epoch and at a stop there is one, too.
        allow_nan: go on when the loss is not finite.
        pretrained: where the weights to begin with come from, for people; empty for random ones.
        head: the part of the network that begins anew; empty for its last layer.
        freeze: parts that do not learn, with commas: `backbone` (all but the head), or names of modules.
        unfreeze_at: the epoch, counted from 1, at whose start they begin to learn; 0 for never.
        layer_decay: factor of the learning rate from each layer to the one before it.
        augment: how training images are varied, as `augmentation_of` takes it; empty for not at all.
        trainer: further arguments of Lightning's Trainer.

    Raises:
        UsageError: a value makes no sense.
    """

    epochs: int
    batch_size: int
    seed: int
    patience: int
    steps: int = 0
    monitor: str = ""
    precision: Precision = "auto"
    accelerator: Accelerator = "auto"
    devices: int = 1
    on: Place = "local"
    workers: int = 0
    clip: float = 0.0
    accumulate: int = 1
    checkpoint_every: float = 30.0
    allow_nan: bool = False
    pretrained: str = ""
    head: str = ""
    freeze: str = ""
    unfreeze_at: int = 0
    layer_decay: float = 1.0
    augment: str = ""
    trainer: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least, most in (
            ("epochs", 1, 10**6),
            ("batch_size", 1, 2**31),
            ("seed", 0, 2**32 - 1),
            ("patience", 0, 10**6),
            ("steps", 0, 10**12),
            ("devices", 1, 1024),
            ("workers", 0, 10**4),
            ("accumulate", 1, 10**6),
            ("unfreeze_at", 0, 10**6),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise UsageError(f"{name} {value!r} is not allowed", expected=f"a whole number from {least} to {most}")
        for name, words in (("precision", Precision), ("accelerator", Accelerator), ("on", Place)):
            legal: tuple[str, ...] = words.__args__  # type: ignore[attr-defined]  # a Literal has them
            if getattr(self, name) not in legal:
                raise UsageError(
                    f"{name} {getattr(self, name)!r} is not allowed", expected=f"one of {', '.join(legal)}"
                )
        for name in ("clip", "checkpoint_every"):
            value = getattr(self, name)
            if not _is_number(value) or value < 0:
                raise UsageError(f"{name} {value!r} is not allowed", expected="a number from 0")
        if not _is_number(self.layer_decay) or not 0 < self.layer_decay <= 1:
            raise UsageError(f"layer_decay {self.layer_decay!r} is not allowed", expected="a number above 0, at most 1")
        augmentation_of(self.augment)
        if self.unfreeze_at and not self.freeze:
            raise UsageError("nothing is frozen that could learn later", hint="--freeze backbone")
        self._check_processes()

    def _check_processes(self) -> None:
        if self.batch_size < self.processes:
            raise UsageError(
                f"{self.processes} processes cannot share a batch of {self.batch_size}",
                expected="a row for each of them",
                hint=f"--batch-size {self.processes} or more",
            )
        if self.on == "ray" and self.devices > 1:
            raise UsageError("--devices and --on ray do not go together", hint=f"--workers {self.devices}")
        if (self.on == "ray") != (self.workers > 0):
            raise UsageError(
                f"{self.workers} workers with on {self.on!r}", expected="--on ray --workers N, or neither of the two"
            )

    @property
    def processes(self) -> int:
        """How many processes share a batch."""
        return self.workers or self.devices


FIT_OPTIONS = frozenset(one.name for one in fields(Fit))


def check_rate(lr: object) -> None:
    """Refuse what is no learning rate; None leaves it to the network.

    Raises:
        UsageError: it is no number above 0.
    """
    if lr is not None and not (_is_number(lr) and float(lr) > 0):  # type: ignore[arg-type]  # a number by then
        raise UsageError(f"lr {lr!r} is not allowed", expected="a number above 0")


def check_trainer(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that Lightning's Trainer does not take, or that are not the user's to give.

    Args:
        arguments: what was asked for.

    Raises:
        UsageError: one of them will not do.

    Example:
        >>> check_trainer({"limit_val_batches": 2})
    """
    for name in arguments:
        if name in OWN:
            raise UsageError(f"trainer argument {name!r} has an option of its own", hint=f"--{OWN[name]}")
        if name in FIXED:
            raise UsageError(
                f"trainer argument {name!r} is what a run stands on and is not changed", hint="leave it out"
            )
        if name not in TRAINER:
            near = get_close_matches(name, TRAINER, n=1)
            raise UsageError(
                f"Lightning's Trainer has no argument {name!r}",
                hint=f"did you mean {near[0]}?" if near else "see the documentation of pytorch_lightning.Trainer",
            )


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
