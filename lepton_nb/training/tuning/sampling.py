"""A function of a notebook is asked once for values, before anything is written. This module imports Optuna."""

from __future__ import annotations

from typing import Any

import optuna

from ...errors import UsageError
from .plan import Asked
from .settings import asked_of, check_names

__all__ = ["sample"]


def sample(asked: Asked) -> dict[str, Any]:
    """The values that the function gives a trial.

    Raises:
        UsageError: it fails, or gives no values for names that set something.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    found = asked_of(asked.space, trial)
    if not trial.params:
        raise UsageError("the space's function searches nothing", expected="calls of trial.suggest_...")
    check_names(found, asked.net, asked.base)
    return found
