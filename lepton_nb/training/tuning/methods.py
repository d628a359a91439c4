"""How a study chooses what is tried, and what is stopped early."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...errors import MissingError, UsageError
from ..options import Place

__all__ = ["Method", "Pruner", "Sampler", "check_methods"]

Sampler = Literal["tpe", "random", "cmaes", "gp", "qmc", "nsga2"]
Pruner = Literal["median", "hyperband", "halving", "none"]
_OF_ONE = ("cmaes",)


@dataclass(frozen=True)
class Method:
    """How a study searches.

    Args:
        trials: how many are made in all.
        objectives: `NAME`, `NAME:min` or `NAME:max` each; none for what tells the best epoch.
        sampler: chooses what is tried.
        pruner: chooses what is stopped early; None for the usual one, where there is one objective.
        jobs: how many train at a time; 0 is as many as there are processors or GPUs.
        storage: URL of Optuna's storage, or `secret:NAME` of one; empty for the study's own file.
        on: `local`, or `ray` for the cluster of RAY_ADDRESS.

    Raises:
        UsageError: a number makes no sense.
    """

    trials: int = 40
    objectives: Sequence[str] = ()
    sampler: Sampler = "tpe"
    pruner: Pruner | None = None
    jobs: int = 0
    storage: str = ""
    on: Place = "local"

    def __post_init__(self) -> None:
        for name, least, most in (("trials", 1, 100_000), ("jobs", 0, 1024)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise UsageError(f"{name} {value!r} is not allowed", expected=f"a whole number from {least} to {most}")


def check_methods(sampler: Sampler, pruner: Pruner | None, objectives: int, on: Place = "local") -> Pruner:
    """The pruner; the usual one, where none is named and there is one objective.

    Args:
        sampler: chooses what is tried.
        pruner: chooses what is stopped early; None for the usual one.
        objectives: how many there are.
        on: where it searches: `median` is usual, on Ray `halving`, which waits for no other trial.

    Raises:
        UsageError: one of them cannot look for several objectives, or has a name that is none.
        MissingError: the sampler needs what is not installed.
    """
    samplers, pruners = Sampler.__args__, Pruner.__args__  # type: ignore[attr-defined]  # a Literal has them
    for what, name, legal in (("sampler", sampler, samplers), ("pruner", pruner or "none", pruners)):
        if name not in legal:
            raise UsageError(f"{what} {name!r} is not allowed", expected=f"one of {', '.join(legal)}")
    if objectives > 1 and sampler in _OF_ONE:
        others = ", ".join(name for name in samplers if name not in _OF_ONE)
        raise UsageError(f"sampler {sampler!r} looks for one objective", expected=f"one of {others}")
    if objectives > 1 and pruner not in (None, "none"):
        raise UsageError(
            f"pruner {pruner!r} compares one value an epoch, and there are {objectives} objectives",
            expected="--pruner none, or one objective",
        )
    if sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        raise MissingError("sampler 'cmaes' needs the package cmaes", hint="pip install cmaes, or --sampler tpe")
    usual: Pruner = "halving" if on == "ray" else "median"
    return pruner or (usual if objectives == 1 else "none")
