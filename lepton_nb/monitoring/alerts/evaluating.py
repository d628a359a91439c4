"""Alerts are looked at whenever somebody looks at the deployment, and by a watch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ...errors import RuleError
from ...records import Alert, AlertStatus, Deployment, plain
from ...rules import UNKNOWN, holds, names
from ...workspace import Workspace, mask
from ..facts import FUNCTIONS, facts, kinds_of
from ..places import folder_of
from .defined import Defined, Wanted, read_alerts
from .delivering import deliver, write_prometheus
from .state import Delivery, Standing, State, changing, ended_events, read_state, stepped

__all__ = ["alerts", "check_alerts", "evaluate_alerts", "remember_alerts"]

_FILE = "alerts.yml"
_Facts = tuple[Mapping[str, Any], Mapping[str, Callable[..., Any]]]


def remember_alerts(ws: Workspace, deployment: Deployment | str, path: Path) -> None:
    """Take a deployment's alerts from this file from now on.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        path: the file, which stays where it is.

    Raises:
        NotFoundError: there is no such deployment or file.
        FormatError: something in the file is not understood; nothing is changed.
    """
    name = str(deployment)
    folder = folder_of(ws, name)
    check_alerts(ws, path, kinds_of(ws, name))
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - `absolute` keeps `..`
    inside = absolute.is_relative_to(ws.root)
    with changing(folder) as change:
        change.state = replace(change.state, file=str(absolute.relative_to(ws.root) if inside else absolute))


def check_alerts(ws: Workspace, path: Path, kinds: Mapping[str, str]) -> None:
    """Refuse a file of alerts as `remember_alerts` does.

    Args:
        ws: the workspace.
        path: the file.
        kinds: the features of the deployment, as `kinds_of` tells them.
    """
    read_alerts(ws, path, kinds)


def evaluate_alerts(ws: Workspace, deployment: Deployment | str, now: float | None = None) -> tuple[Alert, ...]:
    """Look at the alerts of a deployment, write down what has changed, and deliver what is due.

    Its file is the one that was remembered, else `alerts.yml` in the deployment's folder; without one there are no
    alerts. A rule that cannot be evaluated is `broken` and stops no other.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        now: seconds since the epoch; None is this moment.

    Returns:
        The alerts, in the order of the file.

    Raises:
        NotFoundError: there is no such deployment, or the file that was remembered is gone.
        FormatError: something in the file, or in the log, cannot be read.
    """
    name, now = str(deployment), time.time() if now is None else now
    folder = folder_of(ws, name)
    defined = _defined(ws, name, folder, read_state(folder))
    if not defined.alerts and not read_state(folder).alerts and not read_state(folder).outbox:
        return ()
    looked = _looked(ws, deployment, defined)
    with changing(folder) as change:
        change.state = _changed(change.state, defined, looked, now, name)
    deliver(ws, folder, defined.channels, now)
    found = _told(read_state(folder), defined.alerts)
    troubles = write_prometheus(ws, name, defined.channels, found)
    return tuple(
        replace(
            one,
            trouble=one.trouble or next((troubles[channel] for channel in wanted.channels if channel in troubles), ""),
        )
        for one, wanted in zip(found, defined.alerts, strict=True)
    )


def alerts(ws: Workspace, deployment: Deployment | str) -> tuple[Alert, ...]:
    """The alerts of a deployment as they stood when somebody looked last; nothing is evaluated or delivered.

    Raises:
        NotFoundError: there is no such deployment, or the file that was remembered is gone.
        FormatError: something in the file cannot be read.
    """
    name = str(deployment)
    folder = folder_of(ws, name)
    state = read_state(folder)
    return _told(state, _defined(ws, name, folder, state).alerts)


def _defined(ws: Workspace, name: str, folder: Path, state: State) -> Defined:
    path = ws.root / state.file if state.file else folder / _FILE
    return read_alerts(ws, path, kinds_of(ws, name)) if state.file or path.is_file() else Defined()


def _looked(
    ws: Workspace, deployment: Deployment | str, defined: Defined
) -> dict[str, tuple[bool | None, dict[str, Any], str]]:
    """For each alert whether its rule holds, what it asked for, and why it cannot be told."""
    known = {over: facts(ws, deployment, over) for over in {one.over for one in defined.alerts}}
    return {one.name: _held(one, known[one.over]) for one in defined.alerts}


def _held(wanted: Wanted, known: _Facts) -> tuple[bool | None, dict[str, Any], str]:
    values, functions = known
    asked: dict[str, Any] = {}

    def telling(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def tell(*arguments: Any) -> Any:
            told = function(*arguments)
            asked[f"{name}({', '.join(map(str, arguments))})"] = None if told is UNKNOWN else told
            return told

        return tell

    try:
        held = holds(wanted.rule, values, {name: telling(name, one) for name, one in functions.items()})
        for name in names(wanted.rule, FUNCTIONS):
            if values[name] != name:
                asked[name] = None if values[name] is UNKNOWN else values[name]
    except (RuleError, KeyError) as cause:
        return None, {}, str(cause)
    return held, plain(asked), ""


def _changed(
    state: State,
    defined: Defined,
    looked: Mapping[str, tuple[bool | None, dict[str, Any], str]],
    now: float,
    deployment: str,
) -> State:
    """The state after a look."""
    outbox: list[Delivery] = list(state.outbox)
    standing: dict[str, Standing] = {}
    for wanted in defined.alerts:
        held, values, fault = looked[wanted.name]
        before = state.alerts.get(wanted.name, Standing())
        standing[wanted.name], more = stepped(before, wanted, held, values, now, deployment, fault)
        outbox += more
    for name, before in state.alerts.items():
        if name not in standing and before.event:
            outbox += ended_events(before, now, "removed")
    return replace(state, alerts=standing, outbox=tuple(one for one in outbox if _is_sent(one, defined)))


def _is_sent(one: Delivery, defined: Defined) -> bool:
    """Whether an event is sent: a file for Prometheus holds what is, and no events."""
    channel = defined.channels.get(one.channel)
    return channel is None or channel.kind != "prometheus"


def _told(state: State, wanted: tuple[Wanted, ...]) -> tuple[Alert, ...]:
    found = []
    for one in wanted:
        standing = state.alerts.get(one.name, Standing())
        waiting = [item for item in state.outbox if item.event["alert"] == one.name]
        trouble = next((f"{item.channel}: {item.trouble}" for item in waiting if item.trouble), "")
        found.append(
            Alert(
                *(one.name, cast("AlertStatus", standing.status), one.severity, one.when, one.message),
                *(standing.since, standing.values, mask(standing.fault), len(waiting), mask(trouble)),
            )
        )
    return tuple(found)
