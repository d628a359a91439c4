"""Optuna at work. This module imports it, so it is itself imported late.

The search goes on in memory, where a sampler and a pruner answer in a millisecond; each trial that is over is added to
the storage in one transaction, with everything that was reported of it.
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from ...errors import MissingError, StorageError
from ...records import Objective
from ...workspace import resolve_secret, secret_name
from .methods import Pruner, Sampler
from .plan import Plan

__all__ = ["Search", "Storage"]

_ADDED_BY = "lepton_process"


class Search:
    """What was tried, and what is tried next.

    Args:
        plan: of the study.
        already: how many trials there are.
    """

    def __init__(self, plan: Plan, already: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._objectives = plan.wanted
        # At the same seed a study that goes on would try again what it has tried.
        sampler = sampler_of(plan.sampler, plan.seed + already)
        pruner = pruner_of(plan.pruner, int(plan.fit["epochs"]))
        self._study = optuna.create_study(
            study_name=plan.name, sampler=sampler, pruner=pruner, directions=_directions(self._objectives)
        )

    def know(self, trials: Sequence[optuna.trial.FrozenTrial]) -> None:
        """Learn what was tried elsewhere, or before."""
        self._study.add_trials(trials)

    def ask(self, params: Mapping[str, Any] | None = None) -> optuna.trial.Trial:
        """A new trial, whose values the space asks for; those that are given are taken as they are."""
        if params is not None:
            self._study.enqueue_trial(dict(params))
        return self._study.ask()

    def report(self, trial: optuna.trial.Trial, value: float, epoch: int) -> bool:
        """Tell what the first objective is at the end of an epoch; whether the trial should end."""
        if len(self._objectives) > 1 or not math.isfinite(value):
            return False
        trial.report(value, epoch)
        return trial.should_prune()

    def tell(self, trial: optuna.trial.Trial, status: str, values: Sequence[float]) -> optuna.trial.FrozenTrial:
        """How a trial ended, `finished`, `pruned` or `failed`; what the storage keeps of it."""
        states = {"finished": optuna.trial.TrialState.COMPLETE, "pruned": optuna.trial.TrialState.PRUNED}
        state = states.get(status, optuna.trial.TrialState.FAIL)
        return self._study.tell(trial, list(values) if status == "finished" else None, state=state)

    def importance(self) -> dict[str, float]:
        """How much each name has to do with the first objective; empty before that can be told."""
        complete = self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        if len(complete) < 4:
            return {}
        try:
            # The forest of the default takes seconds; this one (arXiv:2304.10255) a few milliseconds.
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            target = (lambda one: one.values[0]) if len(self._objectives) > 1 else None
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator, target=target)
        except (ValueError, RuntimeError):
            # All trials have the same values.
            return {}
        return {name: float(value) for name, value in found.items()}


class Storage:
    """Where the trials that are over are kept.

    Args:
        plan: of the study.
        own: its file, where no other storage is asked for.

    Raises:
        StorageError: it cannot be opened.
    """

    def __init__(self, plan: Plan, own: Path) -> None:
        self.shared = bool(plan.storage)
        name = secret_name(plan.storage)
        url = resolve_secret(name) if name else plan.storage or f"sqlite:///{own.absolute()}"
        try:
            self._study = optuna.create_study(
                storage=url, study_name=plan.name, directions=_directions(plan.wanted), load_if_exists=True
            )
        except ModuleNotFoundError as cause:
            raise MissingError(f"{cause.name} is not installed, which this storage needs") from cause
        except Exception as cause:
            shown = "--storage" if plan.storage else str(own)
            text = " ".join(str(cause).split())[:200].replace(url, shown)
            raise StorageError(f"the storage of study {plan.name!r} cannot be opened", got=text) from cause
        self._seen: set[int] = set()
        # The numbers that trials have there are known to the storage alone; what is ours bears this mark.
        self._mark = secrets.token_hex(8)

    def news(self) -> list[optuna.trial.FrozenTrial]:
        """The trials that were added since this was last asked, and not by `add`."""
        over = [one for one in self._study.get_trials(deepcopy=False) if one.state.is_finished()]
        new = [one for one in over if one.number not in self._seen]
        self._seen |= {one.number for one in new}
        return [one for one in new if one.user_attrs.get(_ADDED_BY) != self._mark]

    def add(self, frozen: optuna.trial.FrozenTrial, about: Mapping[str, Any]) -> None:
        """Keep a trial that is over.

        Args:
            frozen: what `Search.tell` gave.
            about: what else is to be known of it.

        Raises:
            StorageError: the storage refused.
        """
        kept = optuna.trial.create_trial(
            state=frozen.state,
            values=frozen.values,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs={**frozen.user_attrs, **about, _ADDED_BY: self._mark},
            system_attrs=frozen.system_attrs,
            intermediate_values=frozen.intermediate_values,
        )
        try:
            self._study.add_trial(kept)
        except Exception as cause:
            raise StorageError("a trial could not be kept", got=" ".join(str(cause).split())[:200]) from cause


def sampler_of(name: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of a name."""
    made: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "tpe": optuna.samplers.TPESampler,
        "random": optuna.samplers.RandomSampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "gp": optuna.samplers.GPSampler,
        "qmc": optuna.samplers.QMCSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
    }
    return made[name](seed=seed)


def pruner_of(name: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    """The pruner of a name.

    Args:
        name: as an option takes it.
        epochs: most epochs of a trial.
    """
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=epochs)
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner()
    return optuna.pruners.MedianPruner() if name == "median" else optuna.pruners.NopPruner()


def _directions(objectives: Sequence[Objective]) -> list[optuna.study.StudyDirection]:
    turns = optuna.study.StudyDirection
    return [turns.MINIMIZE if one.direction == "min" else turns.MAXIMIZE for one in objectives]
