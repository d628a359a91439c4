"""`lepton watch`: a deployment is watched, and retrained when it must be."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

from ..errors import UsageError
from ..records import Deployment, Watch, Watches
from ..workspace import Workspace, current
from .declare import Arg, Opt
from .find import data_of, named
from .host import current_host
from .monitor import seconds_of
from .serve import share_of

_DEPLOYMENT = Arg("name of a deployment.", "[DEPLOYMENT]", completes="deployment")


def watch(
    deployment: Annotated[object, _DEPLOYMENT] = None,
    *,
    pipeline: Annotated[Path | None, Opt("Retrains, a .yml file; without one only alerts are told.", "FILE")] = None,
    when: Annotated[str, Opt("Rule that starts a retraining.", "RULE")] = "drifting or decaying",
    every: Annotated[str, Opt("Time between two looks, such as 30s, 10m, 1h.", "TIME")] = "10m",
    auto: Annotated[bool, Opt("Promote what the gate lets through (the default).")] = False,
    ask: Annotated[bool, Opt("Wait for a person's --approve before anybody is answered by a new model.")] = False,
    gate: Annotated[Path | None, Opt("Conditions of a promotion, a .yml file.", "FILE")] = None,
    trusted: Annotated[object, Opt("Rows on which a new model must not be worse.", "DATA", completes="data")] = None,
    window: Annotated[int, Opt("Labelled rows that one look at the quality takes.")] = 500,
    labels: Annotated[int, Opt("Labelled rows that a retraining waits for.")] = 2000,
    shadow: Annotated[int, Opt("Rows that a new model answers unseen first; 0 leaves this out.", "ROWS")] = 500,
    canary: Annotated[str, Opt("Share of the keys that it answers then; 0 leaves this out.", "SHARE")] = "10%",
    canary_rows: Annotated[int, Opt("Rows that it answers so.", "ROWS")] = 200,
    alerts: Annotated[Path | None, Opt("Take the alerts from this YAML file from now on.", "FILE")] = None,
    guard: Annotated[str, Opt("Time that it is watched behind its promotion.", "TIME")] = "30m",
    detach: Annotated[bool, Opt("Return at once; the watch goes on.")] = False,
    status: Annotated[bool, Opt("Show what was decided, and change nothing; of all watches without a name.")] = False,
    approve: Annotated[bool, Opt("Answer a watch that asks: yes.")] = False,
    refuse: Annotated[bool, Opt("Answer a watch that asks: no.")] = False,
    why: Annotated[str, Opt("Reason of the answer, for the record.", "TEXT")] = "",
) -> Watch | Watches:
    """Watch a deployment in a process of its own: retrain when it must be, and promote what is proven better.

    On drift, or when labels show that quality has fallen, the newest labelled predictions are frozen in two parts. The
    pipeline retrains on one. Old and new model meet on the other, and only what passes the gate answers: unseen first,
    then a share of the keys, then all. When errors, latency or quality get worse, what answered before comes back.

    Ctrl-C leaves the watch alone; lepton stop watch-DEPLOYMENT ends it, and the same command goes on with it.

    Returns:
        The watch, with every decision and its numbers.
    """
    from .. import loop, monitoring

    ws, name = current(), "" if deployment is None else str(named(deployment, Deployment, Watch))
    asked = [flag for flag, given in (("--status", status), ("--approve", approve), ("--refuse", refuse)) if given]
    if len(asked) > 1 or (auto and ask):
        raise UsageError(f"{' and '.join(asked) or '--auto and --ask'} exclude each other", expected="one of them")
    name = name.removeprefix("watch-") if isinstance(deployment, Watch) else name
    if not name:
        if status:
            return loop.watches(ws)
        raise UsageError("it is not said what is watched", expected="a DEPLOYMENT", hint="lepton deployments")
    if status:
        return loop.status(ws, name)
    if approve or refuse:
        return loop.answer(ws, name, approve=approve, why=why)
    if alerts is not None:
        monitoring.remember_alerts(ws, name, Path(alerts))
    begun = loop.start(
        ws,
        name,
        pipeline=_absolute(pipeline),
        when=when,
        every=seconds_of(every) or 0.0,
        ask=ask,
        gate=_absolute(gate),
        trusted=_trusted(ws, trusted),
        window=window,
        labels=labels,
        shadow=shadow,
        canary=share_of(canary) if canary.strip("0.%") else 0.0,
        canary_rows=canary_rows,
        guard=seconds_of(guard) or 0.0,
    )
    if detach:
        return begun
    with contextlib.suppress(KeyboardInterrupt):
        return loop.follow(ws, name, current_host().report)
    return loop.status(ws, name)


def _absolute(path: Path | None) -> str:
    """A file by a path that holds in another folder too."""
    return "" if path is None else str(Path(path).expanduser().resolve())


def _trusted(ws: Workspace, value: object) -> str:
    return "" if value is None else data_of(ws, value).id
