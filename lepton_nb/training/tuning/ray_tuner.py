"""A study on a Ray cluster: Ray Tune with Optuna's search. This module imports Ray and Optuna."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import math
import shutil
import time
from collections.abc import Mapping
from typing import Any

import optuna
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from ... import tracking
from ...errors import FormatError, LeptonError
from ...records import Trial, TrialStatus, plain, printable
from ...workspace import Workspace, read_json
from .dimensions import Space
from .ledger import Ledger
from .methods import Pruner
from .place import DATABASE, Place
from .plan import Asked, Plan
from .ray_trial import CAUSE, DONE, KEY, NUMBER, VALUES, attempt, told_of
from .registering import register
from .search import Storage, sampler_of
from .settings import asked_of

__all__ = ["drive", "scheduler_of"]


def drive(ws: Workspace, place: Place, plan: Plan) -> str:
    """Work on a study on the cluster that this process is connected to.

    Args:
        ws: the workspace, which all nodes see under the same path.
        place: of the study.
        plan: of the study.

    Returns:
        How it ended: `finished` or `stopped`.
    """
    shutil.rmtree(place.folder / "ray", ignore_errors=True)
    (place.folder / "ray").mkdir(mode=0o700)
    followed = _Followed(ws, place, plan)
    if followed.left > 0:
        _tuner(ws, place, plan, followed).fit()
    return followed.end()


def _tuner(ws: Workspace, place: Place, plan: Plan, followed: _Followed) -> tune.Tuner:
    metrics = [f"{VALUES}{number}" for number in range(len(plan.wanted))]
    turns: list[str] = [one.direction for one in plan.wanted]
    alone = len(metrics) == 1
    search = OptunaSearch(
        followed.space,
        metric=metrics[0] if alone else metrics,
        mode=turns[0] if alone else turns,
        sampler=sampler_of(plan.sampler, plan.seed + len(followed.known)),
        study_name=plan.name,
        storage=followed.memory,
        points_to_evaluate=followed.again or None,
    )
    followed.search = search
    scheduler = scheduler_of(plan.pruner, metrics[0], turns[0], int(plan.fit["epochs"]))
    trainable = functools.partial(attempt, home=str(ws.home.absolute()), study=plan.name)
    gpus = importlib.import_module("ray").cluster_resources().get("GPU", 0)
    share = {"CPU": 1.0, "GPU": 1.0} if gpus and plan.fit.get("accelerator") != "cpu" else {"CPU": 1.0}
    return tune.Tuner(
        tune.with_resources(trainable, share),
        tune_config=tune.TuneConfig(
            search_alg=search, scheduler=scheduler, num_samples=followed.left, max_concurrent_trials=plan.jobs or None
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(place.folder / "ray"),
            callbacks=[followed],
            stop=_Asked(place),
            verbose=0,
        ),
    )


def scheduler_of(pruner: Pruner, metric: str, turn: str, epochs: int) -> TrialScheduler:
    """What stops trials early that are worse than others, as a pruner of that name does.

    Args:
        pruner: as an option takes it.
        metric: what Ray Tune is told of the objective.
        turn: `min` or `max`.
        epochs: most epochs of a trial; one more report comes at its end.
    """
    named: dict[str, Any] = {"metric": metric, "mode": turn}
    if pruner == "median":
        # As Optuna's does, from the fifth trial on. None is paused: it would begin anew.
        return MedianStoppingRule(
            time_attr="training_iteration",
            grace_period=1,
            min_samples_required=5,
            min_time_slice=math.inf,  # type: ignore[arg-type]  # it is only compared
            **named,
        )
    if pruner == "none":
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    # ASHA (Li et al., arXiv:1810.05934); with several brackets it is Hyperband without waiting for anybody.
    brackets = int(math.log(epochs + 1, 4)) + 1 if pruner == "hyperband" else 1
    return ASHAScheduler(max_t=epochs + 1, reduction_factor=4, brackets=brackets, **named)


class _Asked(tune.Stopper):
    """Ends everything when somebody asks."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return self._place.is_asked_to_stop()

    def stop_all(self) -> bool:
        return self._place.is_asked_to_stop()


class _Followed(tune.Callback):
    """Keeps what Ray Tune tells, as the tuner of this machine does."""

    def __init__(self, ws: Workspace, place: Place, plan: Plan) -> None:
        self._ws, self._place, self._plan = ws, place, plan
        self._asked, self._ledger = Asked.read(ws, plan, place.folder), Ledger(place)
        self._storage = Storage(plan, place.folder / DATABASE)
        self.known = self._storage.news()
        self._waiting = self._ledger.restore(self.known)
        self.left = plan.trials - len(self._ledger.ended)
        # Those that were under way begin anew, by the same numbers.
        self._numbers = [one.number for one in self._waiting]
        self.again = [self._params(one) for one in self._waiting]
        self.memory = optuna.storages.InMemoryStorage()
        directions = [f"{one.direction}imize" for one in plan.wanted]
        before = optuna.create_study(storage=self.memory, study_name=plan.name, directions=directions)  # type: ignore[arg-type]  # they are literals
        before.add_trials(self.known)
        self.search: Any = None

    def space(self, trial: Any) -> dict[str, Any]:
        """The values of a new trial, and its number."""
        values, cause = {}, ""
        try:
            values = asked_of(self._asked.space, trial)
        except LeptonError as failure:
            cause = printable(str(failure))
        number = self._numbers.pop(0) if self._numbers else self._ledger.next()
        shown = values if self._plan.space is not None else dict(getattr(trial, "params", values))
        self._put(Trial(number, "running", dict(shown), began=time.time()))
        return {KEY: values, NUMBER: number, CAUSE: cause}

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        """An epoch has ended."""
        one = self._trial(trial)
        values = tuple(result["best"]) if not result[DONE] else self._values(result)
        self._put(dataclasses.replace(one, values=values, epochs=int(result["epochs"]), seconds=self._took(one)))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial is over, by itself or since others were better."""
        if (trial.last_result or {}).get(DONE):
            self._over(trial, "finished", "")
        elif not self._place.is_asked_to_stop():
            self._over(trial, "pruned", f"at epoch {(trial.last_result or {}).get('epochs', 0)}")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed."""
        error = trial.config.get(CAUSE) or getattr(trial.get_error(), "cause", None) or trial.get_error()
        self._over(trial, "failed", printable(str(error or "its worker is gone"))[-300:])

    def end(self) -> str:
        """Say how the study ended, with its best run registered."""
        for one in self._ledger.trials:
            if one.status == "running":
                self._end_run(one, "")
                self._ledger.put(dataclasses.replace(one, status="stopped"))
        self._ledger.registered = register(self._ws, self._plan, self._ledger.trials)
        self._ledger.write(sync=True)
        return "stopped" if len(self._ledger.ended) < self._plan.trials else "finished"

    def _over(self, trial: Any, status: TrialStatus, cause: str) -> None:
        one = self._trial(trial)
        one = dataclasses.replace(one, status=status, cause=cause, seconds=self._took(one))
        if status == "finished" and not one.complete:
            one = dataclasses.replace(one, status="failed", cause="an objective has no value, or none that is finite")
        if status == "pruned":
            self._end_run(one, cause)
        asked = self.search._ot_trials[trial.trial_id]  # noqa: SLF001 -- there is no public way from one to the other
        states = {"finished": optuna.trial.TrialState.COMPLETE, "pruned": optuna.trial.TrialState.PRUNED}
        frozen = optuna.trial.create_trial(
            state=states.get(one.status, optuna.trial.TrialState.FAIL),
            values=[value for value in one.values if value is not None] if one.status == "finished" else None,
            params=asked.params,
            distributions=asked.distributions,
        )
        self._storage.add(frozen, {"lepton": plain(one)})
        self._put(one)

    def _end_run(self, one: Trial, pruned: str) -> None:
        """Ray has ended the worker: its run says so."""
        if not one.run or tracking.ending(self._ws, one.run) is not None:
            return
        with contextlib.suppress(LeptonError):
            tracking.finish_run(self._ws, one.run, "stopped")
            if pruned:
                tracking.set_tags(self._ws, one.run, {"pruned": pruned})

    def _trial(self, trial: Any) -> Trial:
        number = int(trial.config[NUMBER])
        one = next(each for each in self._ledger.trials if each.number == number)
        with contextlib.suppress(FileNotFoundError, FormatError):
            return dataclasses.replace(one, run=str(read_json(told_of(self._ws, self._plan.name, number))["run"]))
        return one

    def _values(self, result: Mapping[str, Any]) -> tuple[float | None, ...]:
        return tuple(result.get(f"{VALUES}{place}") for place in range(len(self._plan.wanted)))

    def _params(self, one: Trial) -> dict[str, Any]:
        space = self._asked.space
        return space.asked(one.params) if isinstance(space, Space) else dict(one.params)

    def _took(self, one: Trial) -> float:
        return time.time() - one.began

    def _put(self, one: Trial) -> None:
        self._ledger.put(one)
        self._ledger.write()
