"""A training that begins with what another network has learned. This module imports torch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from ...errors import NotFoundError, UsageError, near
from ...models import Taken, backbone_of, head_of, is_under, take
from ...records import Note
from ...workspace import write_json
from ..checkpoints import good_checkpoint
from ..events import EventLog
from ..job import PRETRAINED, Job
from ..tokens import known_tokens

__all__ = ["Moved", "Transfer", "transfer"]

_BACKBONE, _LIST = "backbone", "pretrained.json"


def transfer(job: Job, module: nn.Module, log: EventLog) -> Moved | None:
    """Fill a network with the weights that the job came with; None where nothing of the kind was asked for.

    Args:
        job: the job.
        module: the network, with random weights.
        log: told which weights were taken.

    Raises:
        NotFoundError: the network has no part of a name that was given.
        TrainingError: no weights fit.
    """
    fit = job.fit
    if not (fit.pretrained or fit.freeze or fit.layer_decay < 1):
        return None
    head = head_of(module, fit.head)
    taken = None
    if fit.pretrained:
        taken = take(job.folder / PRETRAINED, module, head, fit.pretrained, known_tokens(job.folder))
        # A run that goes on has told it before.
        if good_checkpoint(job.folder)[0] is None:
            write_json(job.folder / _LIST, asdict(taken))
            log.write(
                Note(time.time(), f"weights of {fit.pretrained}: {taken}; in full in {_LIST} of the run's folder")
            )
    frozen = _frozen(module, head, fit.freeze, taken)
    return Moved(frozen, max(0, fit.unfreeze_at - 1), _factors(module, head, fit.layer_decay), job.places == 1)


def _frozen(module: nn.Module, head: str, asked: str, taken: Taken | None) -> tuple[str, ...]:
    """The parameters that do not learn: those of the parts that were named, but none that is still random."""
    if not asked:
        return ()
    names = [word.strip() for word in asked.split(",") if word.strip()]
    modules = [name for name, _ in module.named_modules() if name]
    for name in names:
        if name != _BACKBONE and name not in modules:
            raise NotFoundError(
                f"{type(module).__name__} has no part {name!r} to freeze",
                expected=f"{_BACKBONE}, or a name such as {', '.join(modules[:5])}",
                hint=near(name, (_BACKBONE, *modules)),
            )
    new = taken.random if taken else set()
    parts = [name for name in names if name != _BACKBONE]
    found = set(backbone_of(module, head)) if _BACKBONE in names else set()
    found |= {name for name, _ in module.named_parameters() if is_under(name, parts)}
    found -= new
    if not found - {name for name, _ in module.named_parameters() if is_under(name, [head])}.union(new):
        raise UsageError(
            f"freezing {asked!r} freezes nothing of {type(module).__name__}",
            expected="parts whose weights were taken over",
            hint="--from RUN",
        )
    if found == {name for name, _ in module.named_parameters()}:
        raise UsageError(f"freezing {asked!r} leaves nothing to learn", expected="a part that learns")
    return tuple(sorted(found))


def _factors(module: nn.Module, head: str, decay: float) -> dict[str, float]:
    """By which factor each parameter learns slower than the head: `decay` once for each layer in between.

    A layer begins at each module that has a matrix of its own; norms and biases go with the layer before.
    """
    if decay >= 1:
        return {}
    layer, layers = 0, dict[str, int]()
    for prefix, one in module.named_modules():
        own = list(one.named_parameters(recurse=False))
        if not own or is_under(prefix, [head]):
            continue
        layer += any(value.ndim > 1 for _, value in own)
        layers |= {f"{prefix}.{name}" if prefix else name: layer for name, _ in own}
    return {name: decay ** (layer + 1 - at) for name, at in layers.items()}


@dataclass(frozen=True)
class Moved:
    """What of a network is not to learn as the rest does.

    Args:
        frozen: names of the parameters that rest.
        until: the epoch, counted from 0, at whose start they begin to learn; 0 for never.
        factors: of the learning rate, by parameter; those that are not in it learn at the whole rate.
        alone: whether one process trains. Several agree on the gradients of all that will ever learn, so these are
            made and dropped.
    """

    frozen: tuple[str, ...] = ()
    until: int = 0
    factors: Mapping[str, float] = field(default_factory=dict)
    alone: bool = True

    def resting(self, epoch: int) -> tuple[str, ...]:
        """The parameters that rest in an epoch, counted from 0."""
        return () if 0 < self.until <= epoch else self.frozen

    def apply(self, module: nn.Module, epoch: int = 0) -> None:
        """Freeze what rests in an epoch, and let go of it afterwards."""
        rests = bool(self.resting(epoch)) and (self.alone or not self.until)
        for name, value in module.named_parameters():
            if name in self.frozen:
                value.requires_grad_(not rests)


class Transfer:
    """Keeps parts of a network as they are, and lets its early layers learn more slowly.

    Args:
        moved: what is to rest, and what is to learn slowly.
    """

    def __init__(self, moved: Moved) -> None:
        self._moved = moved

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Have each optimizer take smaller steps for the layers that are to learn more slowly."""
        # A run that goes on within an epoch is not told that the epoch starts.
        self.on_train_epoch_start(trainer, pl_module)
        known = self._moved.factors
        factors = {value: known[name] for name, value in pl_module.named_parameters() if name in known}
        for optimizer in trainer.optimizers if factors else ():
            _slow(optimizer, factors)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Freeze or let go; a frozen layer's running means rest too."""
        self._moved.apply(pl_module, trainer.current_epoch)
        resting = set(self._moved.resting(trainer.current_epoch))
        for prefix, one in pl_module.named_modules():
            own = [f"{prefix}.{name}" for name, _ in one.named_parameters(recurse=False)]
            if own and resting.issuperset(own):
                one.eval()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Whatever rested is as it was for the next epoch, which may let it learn."""
        if self._moved.frozen:
            pl_module.train()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Drop the gradients of what rests, where they had to be made."""
        resting = self._moved.resting(trainer.current_epoch)
        for name, value in pl_module.named_parameters() if resting else ():
            if name in resting:
                value.grad = None


def _slow(optimizer: torch.optim.Optimizer, factors: dict[nn.Parameter, float]) -> None:
    """Scale the steps of an optimizer.

    A step scaled by `f` is the step at `f` times the rate, for every optimizer whose step is proportional to its rate,
    as those of torch are; and schedules go on as they were written.
    """
    slowed = [(one, factors[one]) for group in optimizer.param_groups for one in group["params"] if one in factors]
    before: list[torch.Tensor] = []

    def keep(*_: Any) -> None:
        before[:] = [one.detach().clone() for one, _ in slowed]

    def scale(*_: Any) -> None:
        with torch.no_grad():
            for (one, factor), old in zip(slowed, before, strict=True):
                one.copy_(torch.lerp(old, one, factor))

    optimizer.register_step_pre_hook(keep)
    optimizer.register_step_post_hook(scale)
