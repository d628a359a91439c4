"""What is known of a deployment's alerts, and what has not been delivered: one file, replaced as a whole.

So a change of an alert and the deliveries that it asks for are written together: whoever is killed in between has
written both or neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import FormatError
from ...runtime import uuid7
from ...workspace import locked, read_json, write_json
from .defined import Wanted

__all__ = ["FOLDER", "Delivery", "Standing", "State", "changing", "ended_events", "read_state", "stepped"]

FOLDER = "alerts"
_STATE = "state.json"


@dataclass(frozen=True)
class Standing:
    """Where an alert stands.

    Args:
        status: as `records.Alert`.
        since: since when its rule holds, seconds since the epoch; None where it does not.
        event: id of the delivery that told that it fires; empty where it does not.
        told: what that delivery said.
        channels: where it went.
        values: what the rule asked for.
        fault: why it cannot be evaluated.
    """

    status: str = "quiet"
    since: float | None = None
    event: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one channel.

    Args:
        channel: where it goes.
        event: what is sent; its `id` is the same however often it is sent.
        tries: how often that was tried.
        next: when to try again, seconds since the epoch.
        trouble: why the last try failed.
    """

    channel: str
    event: Mapping[str, Any]
    tries: int = 0
    next: float = 0.0
    trouble: str = ""


@dataclass(frozen=True)
class State:
    """What the file says.

    Args:
        file: the file of alerts, where another than `alerts.yml` in the deployment's folder was named.
        alerts: where each stands, by name.
        outbox: what was not delivered yet, the oldest first.
    """

    file: str = ""
    alerts: Mapping[str, Standing] = field(default_factory=dict)
    outbox: tuple[Delivery, ...] = ()


def read_state(folder: Path) -> State:
    """What is known of a deployment's alerts.

    Raises:
        FormatError: the file is broken, or newer than this version reads.
    """
    path = folder / FOLDER / _STATE
    try:
        value = read_json(path)
        alerts = {
            name: Standing(**{**one, "channels": tuple(one["channels"])}) for name, one in value["alerts"].items()
        }
        return State(str(value["file"]), alerts, tuple(Delivery(**one) for one in value["outbox"]))
    except FileNotFoundError:
        return State()
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise FormatError(
            f"{path} does not say where the alerts stand",
            got=f"{type(cause).__name__} {cause}",
            hint="delete it; what fires is told again",
        ) from cause


class Change:
    """The state within `changing`."""

    def __init__(self, state: State) -> None:
        self.state = state


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Change]:
    """Change the state: nobody else does meanwhile, and it is written at the end when it is another.

    Args:
        folder: of the deployment.
    """
    with locked(folder / FOLDER / ".lock"):
        before = read_state(folder)
        change = Change(before)
        yield change
        if change.state != before:
            # Nobody else's: it may say what an address answered.
            write_json(folder / FOLDER / _STATE, asdict(change.state), mode=0o600)


def stepped(
    before: Standing,
    wanted: Wanted,
    held: bool | None,
    values: Mapping[str, Any],
    now: float,
    deployment: str,
    fault: str = "",
) -> tuple[Standing, tuple[Delivery, ...]]:
    """Where an alert stands after a look, and what is to be delivered.

    What is not known neither begins nor ends anything, but what has not held long enough begins anew.

    Args:
        before: where it stood.
        wanted: what was asked for.
        held: whether its rule holds; None where that is not known.
        values: what the rule asked for.
        now: seconds since the epoch.
        deployment: its name.
        fault: why the rule cannot be evaluated; `held` is None then.
    """
    after = replace(before, values=dict(values), fault=fault)
    fires = bool(before.event)
    if held is None:
        status = "broken" if fault else "unknown"
        return replace(after, status="firing" if fires else status, since=before.since if fires else None), ()
    if not held:
        ended = ended_events(before, now, "resolved") if fires else ()
        return replace(after, status="quiet", since=None, event="", told={}, channels=()), ended
    since = now if before.since is None or before.since > now else before.since
    if fires or now - since < wanted.held:
        return replace(after, status="firing" if fires else "pending", since=since), ()
    told = {
        "alert": wanted.name,
        "deployment": deployment,
        "severity": wanted.severity,
        "rule": wanted.when,
        "message": wanted.message,
        "since": since,
        "values": dict(values),
    }
    event = {"format": 1, "id": uuid7(), "event": "firing", "time": now, **told}
    event["text"] = _text(event)
    begun = replace(
        after, status="firing", since=since, event=str(event["id"]), told=told, channels=tuple(wanted.channels)
    )
    return begun, tuple(Delivery(channel, event) for channel in wanted.channels)


def ended_events(before: Standing, now: float, word: str) -> tuple[Delivery, ...]:
    """What is delivered when an alert fires no more: to whom it was told that it does."""
    event = {"format": 1, "id": uuid7(), "event": word, "time": now, "began": before.event, **before.told}
    event["text"] = _text(event)
    return tuple(Delivery(channel, event) for channel in before.channels)


def _text(event: Mapping[str, Any]) -> str:
    """One line, which chat programs show."""
    return f"[{event['event']}] {event['deployment']}: {event['alert']} ({event['severity']}): {event['message']}"
