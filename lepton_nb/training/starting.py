"""Start a trainer, watch it, and say how it went."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from .. import kernels, processes, tracking
from ..errors import DataError, TrackingError, TrainingError, UsageError
from ..models import Spec, load_weights, specify
from ..processes import Identity
from ..records import Data, Event, Finished, Note, Report, Run, plain, silent
from ..workspace import Workspace, check_name
from .following import Watch, cause_of_death
from .job import Fit, Job

__all__ = ["check", "train"]

_PACKAGE = Path(__file__).resolve().parents[2]
# The smallest image: what no network can be asked for with it, none can be asked for with any data.
_ANY_SHAPE, _ANY_CLASSES = (1, 1, 1), 2


def check(
    net: Any,
    *,
    name: str | None = None,
    epochs: int = 30,
    lr: float | None = None,
    batch_size: int = 64,
    seed: int = 0,
    patience: int = 8,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Nothing, when `train` could take these arguments with some data: for before data is written for a run.

    Args:
        net: a network's name, or a LightningModule class or instance.
        name: of the run.
        epochs: most epochs.
        lr: learning rate; None leaves it to the network.
        batch_size: rows per step.
        seed: of the weights and of the order of the rows.
        patience: epochs without a better loss before it ends.
        options: arguments of the network.

    Raises:
        UsageError: an argument makes no sense.
    """
    Fit(epochs, batch_size, seed, patience)
    _check_rate(lr)
    if name is not None:
        check_name(name, "run name")
    specify(net, _ANY_SHAPE, _ANY_CLASSES, options or {}, lr)


def train(  # noqa: PLR0913 -- one argument per thing a person may ask of a training
    ws: Workspace,
    net: Any,
    data: Data,
    *,
    name: str | None = None,
    epochs: int = 30,
    lr: float | None = None,
    batch_size: int = 64,
    seed: int = 0,
    patience: int = 8,
    options: Mapping[str, Any] | None = None,
    detach: bool = False,
    report: Report = silent,
) -> Run:
    """Fit a network in a process of its own, and keep its best weights.

    The first Ctrl-C finishes the batch and keeps the best weights, the second one kills the trainer; this
    process goes on in both cases.

    Args:
        ws: the workspace.
        net: a network's name, or a LightningModule class or instance; an instance holds the best weights afterwards.
        data: a loaded data set.
        name: of the run (default: the network's name and four characters).
        epochs: most epochs.
        lr: learning rate; None leaves it to the network.
        batch_size: rows per step.
        seed: of the weights and of the order of the rows.
        patience: epochs without a better loss before it ends; 0 never ends early.
        options: arguments of the network.
        detach: return at once, with the run still running.
        report: told what happens.

    Returns:
        The run, `finished` or `stopped` (or `running` when detached).

    Raises:
        UsageError: an argument makes no sense; nothing was written.
        DataError: the data has no training rows.
        TrainingError: the training failed; the run is recorded as failed with its cause.
        TrackingError: the tracking store refused.
    """
    fit = Fit(epochs, batch_size, seed, patience)
    spec = _specified(net, data, options or {}, lr)
    run_id, trainer = _launch(ws, spec, data, name, _params(spec, data, fit, lr), fit, report)
    return _result(ws, run_id) if detach else _attended(ws, run_id, trainer, spec, report)


def _specified(net: Any, data: Data, options: Mapping[str, Any], lr: float | None) -> Spec:
    _check_rate(lr)
    if not data.rows.get("train"):
        raise DataError(f"data {data.name} has no training rows", hint="load it with a smaller test_size")
    return specify(net, data.feature_shape, len(data.classes), options, lr)


def _check_rate(lr: object) -> None:
    if lr is not None and (isinstance(lr, bool) or not isinstance(lr, Real) or not 0 < float(lr) < float("inf")):
        raise UsageError(f"lr {lr!r} is not allowed", expected="a number above 0")


def _launch(
    ws: Workspace, spec: Spec, data: Data, name: str | None, params: dict[str, object], fit: Fit, report: Report
) -> tuple[str, Identity]:
    """Enter the run, write its job folder and start its trainer; a run whose trainer did not start has failed."""
    packed = spec.pack()
    name = check_name(_new_name(spec.name) if name is None else name, "run name")
    run_id = tracking.start_run(ws, name, params, {"lepton.model": spec.name, "lepton.data": data.id})
    try:
        report(Note(time.time(), f"run {name} ({run_id[:8]}) starts"))
        places = [place or str(Path.cwd()) for place in sys.path]
        Job(run_id, name, ws.home.absolute(), data.id, fit, spec.entry(), places).write(packed)
        return run_id, _start(ws, run_id)
    except BaseException as cause:
        tracking.finish_run(ws, run_id, "failed", f"{type(cause).__name__}: {cause}")
        raise


def _attended(ws: Workspace, run_id: str, trainer: Identity, spec: Spec, report: Report) -> Run:
    """The run when it is over; a network given as an instance holds the best weights then."""
    run = _ended(ws, run_id, trainer, Watch(ws.run(run_id), trainer, report).attend())
    if spec.kind == "instance" and (run.path / "weights.safetensors").exists():
        load_weights(run.path / "weights.safetensors", spec.source)
    return run


def _start(ws: Workspace, run_id: str) -> Identity:
    folder = ws.run(run_id)
    # The trainer imports the package that this process runs, wherever that lies.
    paths = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH", "")]))
    ours = {"PYTHONPATH": paths, "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
    # Threads that wait for each other must not spin: on a busy machine they would spin for the whole time.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **ours}
    trainer = kernels.start_detached(
        "lepton_nb.training.child", [str(folder.absolute())], log=folder / "log", cwd=Path.cwd(), env=environment
    )
    try:
        tracking.mark_process(ws, run_id, trainer.pid)
    except BaseException:
        processes.stop(trainer, grace=0.0)
        raise
    return trainer


def _ended(ws: Workspace, run_id: str, trainer: Identity, ending: Event | None) -> Run:
    """The run after its last event; a death without one is told to the store first."""
    if ending is None:
        tracking.finish_run(ws, run_id, "failed", cause_of_death(trainer))
    elif isinstance(ending, Finished) and tracking.recorded(ws, run_id).status not in ("finished", "stopped"):
        tracking.finish_run(ws, run_id, "stopped", ending.text)
    run = _result(ws, run_id)
    if run.status == "failed":
        raise TrainingError(
            f"run {run.name} ({run_id[:8]}) failed", got=run.cause or "no cause", hint=f"see {run.path / 'log'}"
        )
    return run


def _result(ws: Workspace, run_id: str) -> Run:
    """The run as the store has it, or as its folder tells it when a server does not answer."""
    try:
        tracking.flush(ws, run_id, wait=10.0)
        return tracking.get(ws, run_id)
    except TrackingError:
        return tracking.recorded(ws, run_id)


def _new_name(model: str) -> str:
    """The network's name and four characters that tell runs apart."""
    plain_name = re.sub(r"[^a-z0-9_.-]+", "-", model.lower()).lstrip("_.-")[:50] or "net"
    return f"{plain_name}-{secrets.token_hex(2)}"


def _params(spec: Spec, data: Data, fit: Fit, lr: float | None) -> dict[str, object]:
    return {
        "network": spec.name,
        "data": data.id,
        "data_name": data.name,
        "epochs": fit.epochs,
        "batch_size": fit.batch_size,
        "seed": fit.seed,
        "patience": fit.patience,
        "lr": "default" if lr is None else lr,
        **{f"net.{name}": plain(value) for name, value in spec.options.items()},
    }
