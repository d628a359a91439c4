"""Beginning, asking about, answering and ending a watch."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any, Unpack

from .. import kernels
from ..errors import ConflictError, FormatError, NotFoundError, ServingError, UsageError
from ..processes import Identity, is_alive
from ..processes import stop as stop_process
from ..records import Deployment, Note, Report, Watch, Watches, silent
from ..workspace import Workspace, locked, read_json, write_json
from .answers import Answer, Answers
from .context import Context
from .looking import check_rule
from .options import WatchOptions, Words
from .picture import draw
from .place import Place, place_of
from .watcher import OPTIONS, PROCESS

__all__ = ["answer", "follow", "is_watched", "start", "status", "stop", "watches"]

LOG = "log"
PREFIX = "watch-"
_READY_S = 60.0
_EVERY_S = 0.1


def start(
    ws: Workspace, deployment: str, *, alerts: Path | None = None, log_url: str | None = None, **words: Unpack[Words]
) -> Watch:
    """Watch a deployment in a process of its own, which outlives this one; it goes on where an earlier watch was.

    Args:
        ws: the workspace.
        deployment: its name.
        alerts: the file that its alerts are taken from, once nothing stands in the way; None changes nothing.
        log_url: where one that runs elsewhere copies its log; it is adopted once nothing stands in the way. None is one
            that this workspace knows.
        words: how it is watched, the fields of `WatchOptions`.

    Raises:
        NotFoundError: there is no such deployment, pipeline, gate or file of alerts.
        ConflictError: it is watched already, or the name is that of another one.
        UsageError, RuleError, PipelineError, FormatError: an option makes no sense; nothing was started.
        StorageError: the place of `log_url` cannot be read.
        ServingError: the watch did not come up; the message says why.
    """
    from .. import monitoring

    options, place = WatchOptions(**words), place_of(ws, deployment)
    if log_url is not None:
        _refuse_pipeline(deployment, options.pipeline)
        # What is refused leaves nothing behind, so it is looked at where nothing stays.
        with monitoring.on_trial(ws, deployment, log_url) as trial:
            _check(ws, Context(trial, deployment, options, place, silent), alerts)
        monitoring.adopt(ws, deployment, log_url)
    else:
        _check(ws, Context(ws, deployment, options, place, silent), alerts)
    place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(place.folder / "start.lock"):
        if (identity := _identity(place)) is not None:
            raise ConflictError(
                f"deployment {deployment!r} is watched already, by process {identity.pid}",
                hint=f"lepton stop {PREFIX}{deployment}",
            )
        if alerts is not None:
            monitoring.remember_alerts(ws, deployment, alerts)
        write_json(place.folder / OPTIONS, {"options": options.to_dict()}, mode=0o600)
        (place.folder / PROCESS).unlink(missing_ok=True)
        started = _begun(ws, deployment, place)
        _await(place, started, deployment)
    return status(ws, deployment)


def _begun(ws: Workspace, deployment: str, place: Place) -> Identity:
    """The process of a watch, which is started."""
    home = str(ws.home.absolute())
    return kernels.start_detached(
        "lepton_nb.loop.__main__",
        [home, deployment],
        log=place.folder / LOG,
        cwd=ws.root.absolute(),
        env={**os.environ, "LEPTON_HOME": home},
        start_template=False,
    )


def _check(ws: Workspace, ctx: Context, alerts: Path | None) -> None:
    """Refuse a watch that could not do what it is asked to; nothing is changed."""
    from .. import monitoring

    found = ctx.deployment()
    if isinstance(found, str):
        _refuse_pipeline(ctx.name, ctx.options.pipeline)
    ctx.options.check()
    check_rule(ctx)
    if ctx.options.pipeline and isinstance(found, Deployment):
        _check_learnable(ctx, found.log_inputs)
    if alerts is not None:
        monitoring.check_alerts(ws, alerts, monitoring.kinds_of(ctx.ws, ctx.name))


def _refuse_pipeline(deployment: str, pipeline: str) -> None:
    """Refuse to retrain a deployment that runs elsewhere."""
    if pipeline:
        raise UsageError(
            f"deployment {deployment!r} runs elsewhere, and what answers there cannot be changed from here",
            expected="a watch that tells its alerts",
            got=f"--pipeline {pipeline}",
            hint=f"lepton watch {deployment} without --pipeline; retrain on the machine that it runs on",
        )


def _check_learnable(ctx: Context, log_inputs: str) -> None:
    """Refuse to retrain where labels or logged rows could teach nothing.

    Raises:
        UsageError: the model tells no class, or its rows are not on the log as they are.
    """
    from ..runtime.privacy import Kept
    from .freezing import unfit

    alone = f"lepton watch {ctx.name} without --pipeline tells its alerts"
    signature, kept = ctx.signature(), Kept.read(log_inputs)
    if reason := unfit(signature):
        raise UsageError(f"{ctx.champion().bento} cannot be retrained by a watch: {reason}", hint=alone)
    if hidden := [one.name for one in signature.inputs if kept.way(one.name) != "yes"]:
        raise UsageError(
            f"column {hidden[0]!r} of {ctx.name!r} is not on the prediction log as it is",
            expected="every input, to retrain and to judge by",
            got=f"--log-inputs {log_inputs}",
            hint=f"serve it with --log-inputs yes; {alone}",
        )


def status(ws: Workspace, deployment: str) -> Watch:
    """How a watch is.

    Raises:
        NotFoundError: that deployment was never watched.
        FormatError: what was recorded cannot be read.
    """
    place = place_of(ws, deployment)
    if not (place.folder / OPTIONS).is_file():
        names = [path.parent.name for path in sorted((ws.home / "watches").glob(f"*/{OPTIONS}"))]
        raise NotFoundError(
            f"deployment {deployment!r} is not watched",
            expected=f"one of {', '.join(names)}" if names else "",
            hint=f"lepton watch {deployment} --pipeline FILE",
        )
    state, about = place.state(), _process(place)
    lives = _identity(place) is not None
    said = str(about.get("status", "failed"))
    trouble = str(about.get("trouble", ""))
    if not lives and said == "running":
        said, trouble = "failed", f"its process {about.get('pid')} has ended; see {place.folder / LOG}"
    return Watch(
        deployment=deployment,
        status="running" if lives else "stopped" if said == "stopped" else "failed",
        stage=state.stage,
        cycle=state.cycle,
        trouble=trouble,
        decisions=place.decisions(),
        pid=int(about.get("pid", 0)),
        path=place.folder,
        options=read_json(place.folder / OPTIONS)["options"],
        draw=functools.partial(draw, ws, deployment),
    )


def watches(ws: Workspace) -> Watches:
    """Every watch, by the name of its deployment; one that is broken is shown as failed, with the reason."""
    found = []
    for path in sorted((ws.home / "watches").glob(f"*/{OPTIONS}")):
        try:
            found.append(status(ws, path.parent.name))
        except FormatError as fault:
            found.append(Watch(path.parent.name, "failed", "watching", 0, str(fault), (), 0, path.parent))
    return Watches(tuple(found))


def is_watched(ws: Workspace, name: str) -> bool:
    """Whether a watch of this name, such as `watch-churn`, runs."""
    if not name.startswith(PREFIX):
        return False
    folder = ws.home / "watches" / name.removeprefix(PREFIX)
    return (folder / OPTIONS).is_file() and _identity(Place(folder)) is not None


def stop(ws: Workspace, name: str) -> Watch:
    """End a watch; one that does not run is left as it is. A retraining that is going on is done again by the next.

    Args:
        ws: the workspace.
        name: of the watch, such as `watch-churn`, or of its deployment.

    Raises:
        NotFoundError: there is none.
    """
    deployment = name.removeprefix(PREFIX)
    found = status(ws, deployment)
    place = place_of(ws, deployment)
    with locked(place.folder / "start.lock"):
        if (identity := _identity(place)) is None:
            return found
        stop_process(identity)
        about = _process(place)
        write_json(place.folder / PROCESS, {**about, "status": "stopped", "trouble": ""}, mode=0o600)
    return status(ws, deployment)


def answer(ws: Workspace, deployment: str, *, approve: bool, why: str = "") -> Watch:
    """Say whether the challenger that a watch asks about may answer.

    Args:
        ws: the workspace.
        deployment: its name.
        approve: yes or no.
        why: reason, for the record.

    Raises:
        NotFoundError: the deployment is not watched.
        UsageError: the watch asks nothing.
    """
    found = status(ws, deployment)
    if found.stage != "asking":
        raise UsageError(
            f"{found.name} asks nothing", got=found.stage, hint=f"lepton watch {deployment} --status says what it does"
        )
    Answers(found.path).give(found.cycle, Answer(approve, why))
    return found


def follow(ws: Workspace, deployment: str, report: Report = silent) -> Watch:
    """Tell every decision of a watch until it ends; Ctrl-C leaves the watch alone.

    Raises:
        NotFoundError: that deployment was never watched.
    """
    told = len(status(ws, deployment).decisions)
    while True:
        found = status(ws, deployment)
        for one in found.decisions[told:]:
            report(Note(one.time, one.line()))
        told = len(found.decisions)
        if found.status != "running":
            return found
        time.sleep(_EVERY_S)


def _await(place: Place, started: Identity, deployment: str) -> None:
    """Wait until the process watches.

    Raises:
        ServingError: it ended, or took too long.
    """
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if (identity := _identity(place)) is not None and identity.pid == started.pid:
            return
        if not is_alive(started):
            lines = (place.folder / LOG).read_text(errors="replace").strip().splitlines()
            raise ServingError(f"the watch of {deployment!r} did not start", got=lines[-1] if lines else "no word")
        time.sleep(0.02)
    stop_process(started)
    raise ServingError(
        f"the watch of {deployment!r} did not start within {_READY_S:g} s", hint=f"see {place.folder / LOG}"
    )


def _process(place: Place) -> dict[str, Any]:
    try:
        return read_json(place.folder / PROCESS)
    except FileNotFoundError:
        return {}


def _identity(place: Place) -> Identity | None:
    """The living process of a watch."""
    about = _process(place)
    try:
        found = Identity(int(about["pid"]), float(about["started"]))
    except (KeyError, ValueError):
        return None
    return found if found.pid > 0 and is_alive(found) else None
