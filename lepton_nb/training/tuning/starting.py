"""A study is begun, or found again by the same words."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...models import Environment, asks_for_shapes
from ...records import Data, Objective, Report, Study, plain, silent
from ...workspace import Workspace, check_name, locked
from ..options import Fit, check_rate, check_trainer
from ..sources import Loaders, loaders_of
from ..starting import specified
from .dimensions import Space
from .following import launch_study, worked
from .grammar import parse
from .methods import Method, check_methods
from .objectives import ANY_LOSS, MEASURED, objectives_of
from .place import Place, place_of
from .plan import Asked, Plan
from .reading import study_of
from .settings import Settings, check_names, settings_of

__all__ = ["tune"]

_USUAL = Method()


def tune(  # noqa: PLR0913 -- one argument per thing a person may ask of a study
    ws: Workspace,
    net: Any,
    data: Any,
    fit: Fit,
    space: str | Callable[[Any], Any],
    method: Method = _USUAL,
    *,
    name: str | None = None,
    lr: float | None = None,
    options: Mapping[str, Any] | None = None,
    callbacks: Sequence[Any] = (),
    detach: bool = False,
    report: Report = silent,
) -> Study:
    """Look for the settings that train a network best, each trial a run of its own.

    A study that was begun by the same words goes on where it was. The first Ctrl-C stops the trials that are under
    way, which go on later; the second one kills them.

    Args:
        ws: the workspace.
        net: a network's name, or a LightningModule class or instance.
        data: a loaded data set, or what `loaders_of` takes.
        fit: how to fit, what is the same in all trials.
        space: what is searched, as `grammar` tells, or a function from an Optuna trial to a dict of values by name.
        method: how it is searched.
        name: of the study (default: one that the same words give again).
        lr: learning rate of all trials; None leaves it to the network.
        options: arguments of the network, the same in all trials.
        callbacks: Lightning callbacks of the notebook's own.
        detach: return at once, with the study running.
        report: told what happens.

    Raises:
        UsageError: an argument makes no sense; nothing was written.
        ConflictError: another study has this name.
        TrainingError: it could not go on, or all trials failed.
    """
    check_rate(lr)
    check_trainer(fit.trainer)
    source = data if isinstance(data, Data) else loaders_of(data)
    plan, asked = _planned(net, source, fit, space, method, Settings(fit, lr, dict(options or {})), callbacks)
    place = _entered(ws, dataclasses.replace(plan, name=_name(name, plan)), asked)
    return worked(ws, place, detach=detach, report=report)


def _planned(
    net: Any,
    source: Data | Loaders,
    fit: Fit,
    space: str | Callable[[Any], Any],
    method: Method,
    base: Settings,
    callbacks: Sequence[Any],
) -> tuple[Plan, Asked]:
    """What the words come to, once nothing in them is wrong."""
    found = _objectives(method.objectives, net, source, fit)
    if method.objectives and not fit.monitor and found[0].name not in MEASURED:
        # The weights that are kept are then those of the epoch that the study judges by.
        base = dataclasses.replace(base, fit=dataclasses.replace(fit, monitor=found[0].name))
    asked = Asked(net, source, base, _space(space), tuple(callbacks))
    pruner = check_methods(method.sampler, method.pruner, len(found), method.on)
    spec = _check(asked)
    plan = Plan(
        name="",
        network=spec.name,
        zoo=net if isinstance(net, str) else "",
        data=source.id if isinstance(source, Data) else "",
        data_name=source.name,
        loaders="" if isinstance(source, Data) else source.kind,
        fit=plain(base.fit),
        lr=base.lr,
        options=plain(base.options),
        space=asked.space.to_dict() if isinstance(asked.space, Space) else None,
        objectives=[[one.name, one.direction] for one in found],
        sampler=method.sampler,
        pruner=pruner,
        seed=fit.seed,
        source=asked.digest(spec),
        on=method.on,
        cwd=str(Path.cwd()),
        sys_path=[place or str(Path.cwd()) for place in sys.path],
        created=time.time(),
        trials=method.trials,
        jobs=method.jobs,
        storage=method.storage,
    )
    return plan, asked


def _objectives(words: Sequence[str], net: Any, source: Data | Loaders, fit: Fit) -> tuple[Objective, ...]:
    default = fit.monitor or ANY_LOSS
    if not fit.monitor and isinstance(net, str) and isinstance(source, Data):
        default = "val_loss" if source.rows.get("validation") else "train_loss"
    elif not fit.monitor and isinstance(source.value if isinstance(source, Loaders) else None, Environment):
        default = "val_return"
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
        launch_study(ws, place)
    return place
