"""The step of torch's fused Adam, without what torch finds out anew at each one.

Torch gathers the weights and their averages in lists at each step, sorts them by device and type, and tells its
profiler, which takes longer than the step itself does for a small network. Here the lists are kept. What could change
them is looked at each time, and whenever anything is not as it was, torch does the step itself.
"""

# ruff: noqa: SLF001 -- torch tells of these things nowhere else.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as hooks

__all__ = ["LeanAdam"]

_KINDS = (torch.optim.Adam, torch.optim.AdamW)
_AVERAGES = ("exp_avg", "exp_avg_sq", "step")
_OTHER_WAYS = ("amsgrad", "capturable", "differentiable", "maximize")


@dataclass(frozen=True)
class _Group:
    """A group of weights as it was when its lists were made."""

    options: dict[str, Any]
    count: int
    learned: list[Tensor]
    passed_over: list[Tensor]
    averages: list[list[Tensor]]


class LeanAdam:
    """Does the steps of an optimizer.

    Args:
        optimizer: any one; one that is no fused Adam on a CPU does its steps itself.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._is_known = type(optimizer) in _KINDS and hasattr(torch, "_fused_adam_")
        self._state: Any = None
        self._groups: list[_Group] = []

    def step(self, closure: Callable[[], Any]) -> None:
        """One step, by the gradients that the closure leaves."""
        optimizer = self._optimizer
        if not self._is_known or not self._is_unattended():
            optimizer.step(closure=closure)
            return
        closure()
        gradients = self._gradients()
        if gradients is None:
            # The closure has been called, so torch has the gradients.
            optimizer.step()
            self._prepare()
            return
        if "step" in vars(optimizer):
            # As the schedule that watches over `step` does it.
            optimizer._opt_called = True
        with torch.no_grad():
            for group, found in zip(self._groups, gradients, strict=True):
                _do(group, found)

    def _is_unattended(self) -> bool:
        """Whether nobody has put anything around the step but torch's schedules."""
        optimizer = self._optimizer
        own = vars(optimizer).get("step")
        if own is not None and not (
            getattr(own, "_wrapped_by_lr_sched", False) and own.__wrapped__ is type(optimizer).step
        ):
            return False
        return not (
            optimizer._optimizer_step_pre_hooks
            or optimizer._optimizer_step_post_hooks
            or hooks._global_optimizer_pre_hooks
            or hooks._global_optimizer_post_hooks
            or torch.autograd._profiler_enabled()  # type: ignore[attr-defined]
        )

    def _gradients(self) -> list[list[Tensor]] | None:
        """Those of each group; None where anything is not as it was."""
        groups = self._optimizer.param_groups
        if self._optimizer.state is not self._state or len(groups) != len(self._groups):
            return None
        found = []
        for known, group in zip(self._groups, groups, strict=True):
            gradients = [one.grad for one in known.learned]
            if (
                group is not known.options
                or len(group["params"]) != known.count
                or type(group["lr"]) is not float
                or any(one is None for one in gradients)
                or any(one.grad is not None for one in known.passed_over)
            ):
                return None
            found.append(gradients)
        return found  # type: ignore[return-value]  # none of them is None

    def _prepare(self) -> None:
        """Keep the lists of the step that torch has just done."""
        optimizer = self._optimizer
        self._state, self._groups = None, []
        groups = []
        for group in optimizer.param_groups:
            learned = [one for one in group["params"] if one.grad is not None]
            states = [optimizer.state[one] for one in learned]
            if (
                not group["fused"]
                or any(group[name] for name in _OTHER_WAYS)
                or any(one.device.type != "cpu" or one.dtype != torch.float32 for one in learned)
                or any(one.grad.is_sparse for one in learned)
                or any(not isinstance(one, float) for one in group["betas"])
            ):
                self._is_known = False
                return
            averages = [[state[name] for state in states] for name in _AVERAGES]
            others = [one for one in group["params"] if one.grad is None]
            groups.append(_Group(group, len(group["params"]), learned, others, averages))
        self._state, self._groups = optimizer.state, groups


def _do(group: _Group, gradients: list[Tensor]) -> None:
    options, (first, second, steps) = group.options, group.averages
    if not gradients:
        return
    torch._foreach_add_(steps, 1)
    step = torch._fused_adamw_ if options["decoupled_weight_decay"] else torch._fused_adam_
    beta1, beta2 = options["betas"]
    step(
        group.learned,
        gradients,
        first,
        second,
        [],
        steps,
        lr=options["lr"],
        beta1=beta1,
        beta2=beta2,
        weight_decay=options["weight_decay"],
        eps=options["eps"],
        amsgrad=False,
        maximize=False,
        grad_scale=None,
        found_inf=None,
    )
