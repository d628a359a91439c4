"""Start a trainer, watch it, and say how it went."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import tracking
from ..errors import DataError, UsageError
from ..models import (
    Environment,
    Spec,
    asks_for_shapes,
    environment,
    has_loaders,
    is_agent,
    smallest_row,
    specify,
    specify_agent,
    written,
)
from ..processes import Identity
from ..records import Data, Note, Report, Run, plain, silent
from ..workspace import Workspace, check_name, replacing
from .attending import attended, result, trains
from .job import PRETRAINED, Fit, Job, ship_loaders
from .launching import launch
from .options import check_rate, check_trainer
from .sources import Loaders, about, loaders_of, refuse_varied
from .tokens import keep_tokens

__all__ = ["begin", "check", "enter", "specified", "train"]

_ANY_CLASSES, _ANY_ENVIRONMENT = 2, "maze:2x2"
# Options whose values are found in the rows before the training; a loader is not read through for that.
_FROM_ROWS = {"class_weights": "balanced", "embedding": "piecewise"}


def check(
    net: Any,
    fit: Fit,
    *,
    name: str | None = None,
    lr: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Nothing, when `train` could take these arguments with some data: for before data is written for a run.

    Args:
        net: a network's name, or a LightningModule class or instance.
        fit: how to fit.
        name: of the run.
        lr: learning rate; None leaves it to the network.
        options: arguments of the network.

    Raises:
        UsageError: an argument makes no sense.
    """
    check_rate(lr)
    check_trainer(fit.trainer)
    if name is not None:
        check_name(name, "run name")
    # What no network can be asked for with the smallest rows, none can be asked for with any data.
    if is_agent(net):
        specify_agent(net, environment(_ANY_ENVIRONMENT), options or {}, lr)
    else:
        specify(net, smallest_row(net), _ANY_CLASSES, options or {}, lr)


def train(  # noqa: PLR0913 -- one argument per thing a person may ask of a training
    ws: Workspace,
    net: Any,
    data: Any,
    fit: Fit,
    *,
    name: str | None = None,
    lr: float | None = None,
    options: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    callbacks: Sequence[Any] = (),
    detach: bool = False,
    report: Report = silent,
) -> Run:
    """Fit a network in a process of its own, and keep its best weights.

    The first Ctrl-C finishes the batch and keeps the best weights, the second one kills the trainer.

    Args:
        ws: the workspace.
        net: a network's name, or a LightningModule class or instance; an instance holds the best weights afterwards.
        data: a loaded data set, or what `loaders_of` takes.
        fit: how to fit.
        name: of the run (default: the network's name and four characters).
        lr: learning rate; None leaves it to the network.
        options: arguments of the network.
        weights: a safetensors file to begin with; None for random ones.
        callbacks: Lightning callbacks of the notebook's own.
        detach: return at once, with the run still running.
        report: told what happens.

    Returns:
        The run, `finished` or `stopped` (or `running` when detached).

    Raises:
        UsageError, DataError: an argument makes no sense, or the data has no training rows; nothing was written.
        TrainingError: the training failed; the run is recorded as failed with its cause.
        TrackingError: the tracking store refused.
    """
    check_rate(lr)
    check_trainer(fit.trainer)
    name = name and check_name(name, "run name")
    source = data if isinstance(data, Data) else loaders_of(data)
    spec = specified(net, source, options or {}, lr)
    name = name or _new_name(spec.name)
    run_id, trainer = begin(ws, spec, source, fit, name, weights=weights, callbacks=callbacks, report=report)
    if spec.kind == "instance":
        trains(run_id, spec.source)
    return result(ws, run_id) if detach else attended(ws, run_id, trainer, report)


def begin(  # noqa: PLR0913 -- what a run is made of, by name
    ws: Workspace,
    spec: Spec,
    source: Data | Loaders,
    fit: Fit,
    name: str,
    *,
    weights: Path | None = None,
    callbacks: Sequence[Any] = (),
    report: Report = silent,
    tags: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[str, Identity]:
    """Enter the run, write its job folder and start its trainer; a run whose trainer did not start has failed.

    Args:
        ws: the workspace.
        spec: the network, as `specified` gives it.
        source: what it is fitted to.
        fit: how.
        name: of the run.
        weights: as the rest, see `train`.
        callbacks: Lightning callbacks of the notebook's own.
        report: told what happens.
        tags: of the run.
        variables: of the trainer's environment, beside this process's own.

    Returns:
        Id of the run, and its process.
    """
    run_id = enter(ws, spec, source, fit, name, weights=weights, callbacks=callbacks, tags=tags)
    try:
        report(Note(time.time(), f"run {name} ({run_id[:8]}) starts"))
        return run_id, launch(ws, run_id, Path.cwd(), variables)
    except BaseException as cause:
        tracking.finish_run(ws, run_id, "failed", f"{type(cause).__name__}: {cause}")
        raise


def enter(
    ws: Workspace,
    spec: Spec,
    source: Data | Loaders,
    fit: Fit,
    name: str,
    *,
    weights: Path | None = None,
    callbacks: Sequence[Any] = (),
    tags: Mapping[str, str] | None = None,
) -> str:
    """Enter the run and write its job folder; whoever calls this sees to its trainer. Arguments as in `begin`.

    Returns:
        Id of the run.
    """
    fit = _of_agent(spec, fit) if spec.kind == "zoo" and is_agent(spec.name) else fit
    known = source.id if isinstance(source, Data) else source.name
    refuse_varied(source, fit.augment)
    about = {"lepton.model": spec.name, "lepton.data": known, **(tags or {})}
    packed = spec.pack()
    run_id = tracking.start_run(ws, name, _params(spec, source, fit), about)
    try:
        _write_job(ws, run_id, name, spec, source, fit, weights, callbacks, packed)
    except BaseException as cause:
        tracking.finish_run(ws, run_id, "failed", f"{type(cause).__name__}: {cause}")
        raise
    return run_id


def _write_job(
    ws: Workspace,
    run_id: str,
    name: str,
    spec: Spec,
    source: Data | Loaders,
    fit: Fit,
    weights: Path | None,
    callbacks: Sequence[Any],
    packed: bytes | None,
) -> None:
    job = Job(
        id=run_id,
        name=name,
        home=ws.home.absolute(),
        data=ship_loaders(ws.run(run_id), source),
        fit=fit,
        net=spec.entry(),
        sys_path=[place or str(Path.cwd()) for place in sys.path],
        loaders="" if isinstance(source, Data) else source.kind,
        callbacks=bool(callbacks),
        cwd=str(Path.cwd()),
    )
    if weights:
        # The run that they come from may be removed before this one is resumed.
        with replacing(job.folder / PRETRAINED, mode=0o600) as copy:
            shutil.copyfile(weights, copy)
        keep_tokens(job.folder, source, weights)
    # Later the cell may have been changed: what is packaged as source is what was trained.
    job.write(packed, callbacks, None if spec.kind == "zoo" else written(spec))


def specified(net: Any, source: Data | Loaders, options: Mapping[str, Any], lr: float | None) -> Spec:
    """The network for this data.

    Args:
        net: a network's name, or a LightningModule class or instance.
        source: what it is fitted to.
        options: arguments of the network.
        lr: learning rate; None leaves it to the network.

    Raises:
        UsageError: the network cannot take such data or arguments.
        DataError: the data has no training rows.
    """
    if isinstance(source, Loaders) and isinstance(source.value, Environment):
        return specify_agent(net, source.value, options, lr)
    if isinstance(source, Data):
        if not source.rows.get("train"):
            raise DataError(f"data {source.name} has no training rows", hint="load it with a smaller test_size")
        return specify(net, source.feature_shape, source.width, options, lr, task=source.task, about=about(source))
    if source.kind == "own" and not has_loaders(net):
        raise UsageError("there is no data to train on", hint="--data DATA; lepton train --help tells what it may be")
    if not asks_for_shapes(net) or source.kind == "own":
        return specify(net, None, None, options, lr)
    spec = specify(net, source.shape(), source.classes(), options, lr)
    for option, value in _FROM_ROWS.items():
        if spec.kind == "zoo" and isinstance(given := spec.options.get(option), str) and given == value:
            raise UsageError(
                f"{option}={value} is taken from the rows of a loaded data set, and these are loaders",
                hint=f"load the data with lepton data load, or give another {option}",
            )
    return spec


def _of_agent(spec: Spec, fit: Fit) -> Fit:
    """The batch of an agent is one of its own options: it is what it remembers that it is drawn from."""
    if fit.processes > 1:
        many = str(fit.processes)
        raise UsageError(f"{spec.name} trains in one process", expected="no --devices and no --on ray", got=many)
    return replace(fit, batch_size=int(spec.options["batch"]))


def _new_name(model: str) -> str:
    """The network's name and four characters that tell runs apart."""
    plain_name = re.sub(r"[^a-z0-9_.-]+", "-", model.lower()).lstrip("_.-")[:50] or "net"
    return f"{plain_name}-{secrets.token_hex(2)}"


def _params(spec: Spec, source: Data | Loaders, fit: Fit) -> dict[str, object]:
    """What was asked for: the options of every run, and those others that are not as they would be anyway."""
    usual = asdict(Fit(fit.epochs, fit.batch_size, fit.seed, fit.patience))
    asked = {name: value for name, value in asdict(fit).items() if name != "trainer"}
    changed = {name: value for name, value in asked.items() if value != usual[name]}
    rates = {name: value for name, value in spec.options.items() if name in ("lr", "learning_rate")}
    return {
        "network": spec.name,
        "data": source.id if isinstance(source, Data) else source.kind,
        "data_name": source.name,
        "epochs": fit.epochs,
        "batch_size": fit.batch_size,
        "seed": fit.seed,
        "patience": fit.patience,
        "lr": next(iter(rates.values()), "default"),
        **changed,
        **{f"trainer.{name}": plain(value) for name, value in fit.trainer.items()},
        **{f"net.{name}": plain(value) for name, value in spec.options.items()},
    }
