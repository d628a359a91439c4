"""The step of torch's fused Adam, without what torch finds out anew at each one.

Torch gathers the weights and their averages in lists at each step, sorts them by device and type, and tells its
profiler, which takes longer than the step itself does for a small network. Here the lists are kept. Each time it is
looked whether they still are the optimizer's own, and who stands around its step; wherever that is not as it was, and
with any version of torch but the one whose step this is, torch does the step itself.
"""

# ruff: noqa: SLF001 -- torch tells of these things nowhere else.

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as hooks

__all__ = ["LeanAdam"]

# Those whose step is known here.
_VERSIONS = ("2.13",)
_KINDS = (torch.optim.Adam, torch.optim.AdamW)
_AVERAGES = ("exp_avg", "exp_avg_sq", "step")
_NOTHING: dict[str, Any] = {}
_OTHER_WAYS = ("amsgrad", "capturable", "differentiable", "maximize")


@dataclass(frozen=True)
class _Group:
    """A group of weights as it was when its lists were made."""

    options: dict[str, Any]
    parameters: list[Tensor]
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
        self._is_known = type(optimizer) in _KINDS and torch.__version__.startswith(_VERSIONS)
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
        groups, state = self._optimizer.param_groups, self._optimizer.state
        if len(groups) != len(self._groups) or not self._groups:
            return None
        found = []
        for known, group in zip(self._groups, groups, strict=True):
            gradients = [one.grad for one in known.learned]
            if (
                group is not known.options
                or not _is_known(group)
                or not _are_same(group["params"], known.parameters)
                or any(one is None for one in gradients)
                or any(one.grad is not None for one in known.passed_over)
                or not all(map(_are_same, known.averages, _averages(known.learned, state)))
            ):
                return None
            found.append(gradients)
        return found  # type: ignore[return-value]  # none of them is None

    def _prepare(self) -> None:
        """Keep the lists of the step that torch has just done."""
        state, self._groups = self._optimizer.state, []
        groups = []
        for group in self._optimizer.param_groups:
            if not _is_known(group):
                return
            learned = [one for one in group["params"] if one.grad is not None]
            if any(one.device.type != "cpu" or one.dtype != torch.float32 for one in learned):
                return
            others = [one for one in group["params"] if one.grad is None]
            groups.append(_Group(group, list(group["params"]), learned, others, _averages(learned, state)))
        self._groups = groups


def _is_known(group: dict[str, Any]) -> bool:
    """Whether a group is learned as it is done here."""
    return bool(group["fused"]) and type(group["lr"]) is float and not any(group[name] for name in _OTHER_WAYS)


def _are_same(ones: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(ones) == len(others) and all(map(operator.is_, ones, others))


def _averages(learned: list[Tensor], state: Mapping[Any, Any]) -> list[list[Any]]:
    """What Adam keeps of each weight: two averages, and its steps."""
    states = [state.get(one, _NOTHING) for one in learned]
    return [[one.get(name) for one in states] for name in _AVERAGES]


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
