"""Beginning a study, following it, going on with it and ending it: what happens outside of its own process."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ... import kernels, tracking
from ...errors import ConflictError, TrainingError, UsageError
from ...models import asks_for_shapes
from ...processes import stop as end_process
from ...records import Data, Note, Report, Study, plain, silent
from ...workspace import Workspace, check_name, locked
from ..job import ask_to_stop
from ..launching import trainer_environment
from ..options import Fit, check_rate, check_trainer
from ..options import Place as Where
from ..sources import Loaders, loaders_of
from ..starting import specified
from .dimensions import Space
from .grammar import parse
from .methods import Pruner, Sampler, check_methods
from .objectives import ANY_LOSS, MEASURED, objectives_of
from .place import LOG, Place, place_of
from .plan import Asked, Plan
from .reading import study_of
from .settings import Settings, check_names, settings_of
from .telling import Teller

__all__ = ["attach_study", "resume_study", "stop_study", "tune"]

_MAIN = "lepton_nb.training.tuning.main"
_READY_S, _EVERY_S, _STOP_S = 60.0, 0.1, 180.0


def tune(  # noqa: PLR0913 -- one argument per thing a person may ask of a study
    ws: Workspace,
    net: Any,
    data: Any,
    fit: Fit,
    space: str | Callable[[Any], Any],
    *,
    trials: int = 40,
    objectives: Sequence[str] = (),
    sampler: Sampler = "tpe",
    pruner: Pruner | None = None,
    jobs: int = 0,
    storage: str = "",
    name: str | None = None,
    lr: float | None = None,
    options: Mapping[str, Any] | None = None,
    callbacks: Sequence[Any] = (),
    on: Where = "local",
    detach: bool = False,
    report: Report = silent,
) -> Study:
    """Look for the settings that train a network best, each trial a run of its own.

    A study that was begun by the same words goes on where it was. The first Ctrl-C stops the trials that are under
    way, which go on later; the second one leaves the study to end by itself.

    Args:
        ws: the workspace.
        net: a network's name, or a LightningModule class or instance.
        data: a loaded data set, or what `loaders_of` takes.
        fit: how to fit, what is the same in all trials.
        space: what is searched, as `grammar` tells, or a function from an Optuna trial to a dict of values by name.
        trials: how many are made in all.
        objectives: `NAME`, `NAME:min` or `NAME:max` each; none for the loss that tells the best epoch.
        sampler: chooses what is tried.
        pruner: chooses what is stopped early; None for the median one, where there is one objective.
        jobs: how many train at a time; 0 is as many as there are processors or GPUs.
        storage: URL of Optuna's storage; empty for the study's own file.
        name: of the study (default: what tells it from others).
        lr: learning rate of all trials; None leaves it to the network.
        options: arguments of the network, the same in all trials.
        callbacks: Lightning callbacks of the notebook's own.
        on: `local`, or `ray` for the cluster of RAY_ADDRESS.
        detach: return at once, with the study running.
        report: told what happens.

    Returns:
        The study.

    Raises:
        UsageError: an argument makes no sense; nothing was written.
        ConflictError: another study has this name.
        TrainingError: it could not go on, or all trials failed.
    """
    _check_counts(trials, jobs)
    check_rate(lr)
    check_trainer(fit.trainer)
    source = data if isinstance(data, Data) else loaders_of(data)
    found = _objectives(objectives, net, source, fit)
    if objectives and not fit.monitor and found[0].name not in MEASURED:
        # The weights that are kept are then those of the epoch that the study judges by.
        fit = dataclasses.replace(fit, monitor=found[0].name)
    asked = Asked(net, source, Settings(fit, lr, dict(options or {})), _space(space), tuple(callbacks))
    chosen = check_methods(sampler, pruner, len(found))
    spec = _check(asked)
    plan = Plan(
        name="",
        network=spec.name,
        zoo=net if isinstance(net, str) else "",
        data=source.id if isinstance(source, Data) else "",
        data_name=source.name,
        loaders="" if isinstance(source, Data) else source.kind,
        fit=plain(fit),
        lr=lr,
        options=plain(options or {}),
        space=asked.space.to_dict() if isinstance(asked.space, Space) else None,
        objectives=[[one.name, one.direction] for one in found],
        sampler=sampler,
        pruner=chosen,
        seed=fit.seed,
        source=asked.digest(spec),
        on=on,
        cwd=str(Path.cwd()),
        sys_path=[place or str(Path.cwd()) for place in sys.path],
        created=time.time(),
        trials=trials,
        jobs=jobs,
        storage=storage,
    )
    plan = dataclasses.replace(plan, name=_name(name, plan))
    place = _entered(ws, plan, asked)
    return _worked(ws, place, detach=detach, report=report)


def resume_study(ws: Workspace, name: str, *, detach: bool = False, report: Report = silent) -> Study:
    """Go on with a study that was stopped, or whose process was killed.

    Raises:
        NotFoundError: there is no such study.
        ConflictError: it runs, or has its trials.
        TrainingError: it could not go on.
    """
    found = study_of(ws, name)
    if found.status == "running":
        raise ConflictError(f"study {name!r} is running", hint=f"lepton attach {name}")
    if len(found.ended) >= found.wanted:
        raise ConflictError(
            f"study {name!r} has its {found.wanted} trials",
            hint="the same lepton tune command with more --trials goes on with it",
        )
    place = place_of(ws, found.name)
    _launch(ws, place)
    return _worked(ws, place, detach=detach, report=report)


def attach_study(ws: Workspace, name: str, *, report: Report = silent) -> Study:
    """Show a study as the cell that began it does, and wait for its end; an interrupt leaves it alone.

    Raises:
        NotFoundError: there is no such study.
        TrainingError: it has failed.
    """
    place = place_of(ws, study_of(ws, name).name)
    try:
        return _followed(ws, place, report)
    except KeyboardInterrupt:
        report(Note(time.time(), f"left; the study goes on: lepton attach {name}, or lepton stop {name}"))
        return study_of(ws, name)


def stop_study(ws: Workspace, name: str) -> Study:
    """Stop the trials of a study that are under way, and wait until it has ended; the same command goes on with it.

    Raises:
        NotFoundError: there is no such study.
        ConflictError: it does not run.
        TrainingError: it did not end in three minutes.
    """
    found = study_of(ws, name)
    place = place_of(ws, found.name)
    if found.status != "running":
        raise ConflictError(f"study {name!r} is not running: it is {found.status}", hint=f"lepton resume {name}")
    place.ask_to_stop()
    deadline = time.monotonic() + _STOP_S
    while place.process()[0] is not None:
        if time.monotonic() > deadline:
            raise TrainingError(f"study {name!r} did not end in {_STOP_S:g} s", hint=f"see {place.folder / LOG}")
        time.sleep(_EVERY_S)
    return study_of(ws, name)


def _check_counts(trials: int, jobs: int) -> None:
    for name, value, least, most in (("trials", trials, 1, 100_000), ("jobs", jobs, 0, 1024)):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UsageError(f"{name} {value!r} is not allowed", expected=f"a whole number from {least} to {most}")


def _objectives(words: Sequence[str], net: Any, source: Data | Loaders, fit: Fit) -> Any:
    default = fit.monitor or ANY_LOSS
    if not fit.monitor and isinstance(net, str) and isinstance(source, Data):
        default = "val_loss" if source.rows.get("validation") else "train_loss"
    return objectives_of(words, default)


def _space(space: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if isinstance(space, str):
        return parse(space)
    if not callable(space):
        raise UsageError(
            f"a {type(space).__name__} is no search space", expected="a text, or a function from a trial to a dict"
        )
    return space


def _check(asked: Asked) -> Any:
    """Refuse what no trial could be made of; the network as one trial has it."""
    if isinstance(asked.space, Space):
        check_names([one.name for one in asked.space.dimensions], asked.net, asked.base)
        samples = list(asked.space.corners())
    else:
        from .sampling import sample

        samples = [sample(asked)]
    # Rows of the notebook's own are read to be asked for their shape: once is enough.
    whole = isinstance(asked.source, Data) or not asks_for_shapes(asked.net)
    specs = []
    for values in samples if whole else samples[:1]:
        settings = settings_of(values, asked.base)
        specs.append(specified(asked.net, asked.source, settings.options, settings.lr))
    return specs[0]


def _name(name: str | None, plan: Plan) -> str:
    """The name that was given; else one that the same words give again."""
    if name is not None:
        return check_name(name, "study name")
    said = re.sub(r"[^a-z0-9_.-]+", "-", f"{plan.network}-{plan.data_name}".lower()).strip("_.-")[:40] or "study"
    return f"{said}-{hashlib.sha256(plan.fingerprint().encode()).hexdigest()[:4]}"


def _entered(ws: Workspace, plan: Plan, asked: Asked) -> Place:
    """Write the study down, or find the one that was begun by the same words; its process is started."""
    place = place_of(ws, plan.name)
    place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(place.folder / "start.lock"):
        try:
            before = Plan.read(place.folder)
        except FileNotFoundError:
            asked.write(ws, place.folder)
            plan.write(place.folder)
        else:
            before.refuse_other(plan)
            wanted = max(plan.trials, before.trials)
            dataclasses.replace(before, trials=wanted, jobs=plan.jobs, storage=plan.storage).write(place.folder)
    found = study_of(ws, plan.name)
    if found.status != "running" and len(found.ended) < found.wanted:
        _launch(ws, place)
    return place


def _launch(ws: Workspace, place: Place) -> None:
    """Start the process of a study, and wait until it works."""
    with locked(place.folder / "start.lock"):
        if place.process()[0] is not None:
            return
        place.forget_request()
        started = kernels.start_detached(
            _MAIN,
            [str(ws.home.absolute()), place.folder.name],
            log=place.folder / LOG,
            cwd=ws.root.absolute(),
            env=trainer_environment(),
        )
        place.record(started, "running")


def _worked(ws: Workspace, place: Place, *, detach: bool, report: Report) -> Study:
    """The study when its process has ended; the first interrupt stops it, the second one leaves it."""
    name = place.folder.name
    if detach:
        return study_of(ws, name)
    try:
        return _followed(ws, place, report)
    except KeyboardInterrupt:
        place.ask_to_stop()
    try:
        text = "stopping the trials that are under way; interrupt again to kill them"
        report(Note(time.time(), text))
        return _followed(ws, place, report)
    except KeyboardInterrupt:
        _kill(ws, place)
        return study_of(ws, name)


def _followed(ws: Workspace, place: Place, report: Report) -> Study:
    """Tell what happens until nobody works on the study any more.

    Raises:
        TrainingError: it failed, or all of its trials did.
    """
    name, seen = place.folder.name, (-1, -1)
    teller = Teller(report)
    while True:
        lives = place.process()[0] is not None
        if (now := place.stamp()) != seen or not lives:
            seen, found = now, study_of(ws, name)
            teller.tell(found)
        if not lives:
            break
        time.sleep(_EVERY_S)
    teller.end(found)
    if found.status == "failed":
        raise TrainingError(
            f"study {name} cannot go on", got=found.cause, hint=f"lepton resume {name}; see {place.folder / LOG}"
        )
    failed = [one for one in found.trials if one.status == "failed"]
    if failed and len(failed) == len(found.trials):
        raise TrainingError(
            f"all {len(failed)} trials of study {name} failed",
            got=f"trial {failed[0].number}: {failed[0].cause}",
            hint=f"lepton tune show {name}" + (f"; see {ws.run(failed[0].run) / 'log'}" if failed[0].run else ""),
        )
    return found


def _kill(ws: Workspace, place: Place) -> None:
    """End a study and its trials at once; what they have kept stays."""
    if (process := place.process()[0]) is not None:
        end_process(process, grace=0.0)
    for one in place.trials()[0]:
        if one.status == "running" and one.run:
            ask_to_stop(ws.run(one.run))
            if (trainer := tracking.process_of(ws, one.run)) is not None:
                end_process(trainer, grace=0.0)
