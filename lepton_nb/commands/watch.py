"""`lepton watch`: a deployment is watched, and retrained when it must be."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

from ..errors import UsageError
from ..records import Deployment, Watch, Watches
from ..workspace import current
from . import watch_options as o
from .declare import Arg
from .find import named
from .host import current_host

_DEPLOYMENT = Arg("name of a deployment.", "[DEPLOYMENT]", completes="deployment")


def watch(
    deployment: Annotated[object, _DEPLOYMENT] = None,
    *,
    pipeline: o.Pipeline = None,
    when: o.When = "drifting or decaying",
    every: o.Every = "10m",
    auto: o.Auto = False,
    ask: o.Ask = False,
    gate: o.Gate = None,
    trusted: o.Trusted = None,
    window: o.Window = 500,
    labels: o.Labels = 2000,
    shadow: o.Shadow = 500,
    canary: o.Canary = "10%",
    canary_rows: o.CanaryRows = 200,
    guard: o.Guard = "30m",
    patience: o.Patience = "24h",
    alerts: o.Alerts = None,
    log_url: o.LogUrl = None,
    detach: o.Detach = False,
    status: o.Status = False,
    approve: o.Approve = False,
    refuse: o.Refuse = False,
    why: o.Why = "",
) -> Watch | Watches:
    """Watch a deployment in a process of its own: retrain when it must be, and promote what is proven better.

    On drift, or when labels show that quality has fallen, the newest labelled predictions are frozen in two parts. The
    pipeline retrains on one. Old and new model meet on the other, and only what passes the gate answers: unseen first,
    then a share of the keys, then all. When errors, latency or quality get worse, what answered before comes back.

    Ctrl-C leaves the watch alone; lepton stop watch-DEPLOYMENT ends it, and the same command goes on with it.
    """
    given = dict(locals())
    o.refuse_two(given, "status", "approve", "refuse")
    o.refuse_two(given, "auto", "ask")
    return _watched(given, _name(deployment))


def _watched(given: dict[str, object], name: str) -> Watch | Watches:
    """What a verb of these words does, and gives."""
    from .. import loop

    ws = current()
    if given["status"]:
        return loop.status(ws, name) if name else loop.watches(ws)
    if not name:
        raise UsageError("it is not said what is watched", expected="a DEPLOYMENT", hint="lepton deployments")
    if given["approve"] or given["refuse"]:
        return loop.answer(ws, name, approve=bool(given["approve"]), why=str(given["why"]))
    words = o.words_of(ws, given)
    alerts = None if given["alerts"] is None else Path(str(given["alerts"]))
    log_url = None if given["log_url"] is None else str(given["log_url"])
    begun = loop.start(ws, name, alerts=alerts, log_url=log_url, **words)
    if given["detach"]:
        return begun
    with contextlib.suppress(KeyboardInterrupt):
        return loop.follow(ws, name, current_host().report)
    return loop.status(ws, name)


def _name(deployment: object) -> str:
    """The deployment's name, of itself or of its watch."""
    if deployment is None:
        return ""
    found = named(deployment, Deployment, Watch)
    return found.deployment if isinstance(found, Watch) else str(found)
