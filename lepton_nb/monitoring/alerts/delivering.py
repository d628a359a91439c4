"""Events reach their channels at least once each, in order, however long a channel is dead.

An event is taken from the outbox when it has arrived. Killed between the two, it is sent again, under the same id: in
the body as `id`, and for a webhook in the header `Idempotency-Key` as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import ConflictError, LeptonError
from ...records import Alert, plain
from ...workspace import Workspace, locked, mask, resolve_secret, secret_name, write_atomic
from .defined import Channel
from .state import FOLDER, Delivery, changing, read_state

__all__ = ["deliver", "write_prometheus"]

_TIMEOUT_S = 5.0
_RETRY_S, _LONGEST_S = 10.0, 3600.0
_MOST_DOUBLINGS = 16
_TROUBLE = 300
_PROMETHEUS = "# HELP lepton_alert_firing Whether an alert of a deployment fires.\n# TYPE lepton_alert_firing gauge\n"


class _NotDeliveredError(Exception):
    """Why an event has not arrived."""


def deliver(ws: Workspace, folder: Path, channels: Mapping[str, Channel], now: float | None = None) -> None:
    """Send what is due. A channel that fails is left alone until its next try, and holds up no other.

    Args:
        ws: the workspace.
        folder: of the deployment.
        channels: by name; what waits for one that is there no more is dropped.
        now: seconds since the epoch; None is this moment.
    """
    now = time.time() if now is None else now
    if not read_state(folder).outbox:
        return
    # One sends at a time: two would send each event twice.
    with contextlib.suppress(ConflictError), locked(folder / FOLDER / ".sending", timeout=0.0):
        _forget(folder, channels)
        for name, channel in channels.items():
            _send_all(ws, folder, channel, [one for one in read_state(folder).outbox if one.channel == name], now)


def _forget(folder: Path, channels: Mapping[str, Channel]) -> None:
    with changing(folder) as change:
        kept = tuple(one for one in change.state.outbox if one.channel in channels)
        change.state = replace(change.state, outbox=kept)


def _send_all(ws: Workspace, folder: Path, channel: Channel, waiting: Sequence[Delivery], now: float) -> None:
    if not waiting or waiting[0].next > now:
        return
    for one in waiting:
        try:
            _send(ws, channel, one.event)
        except _NotDeliveredError as cause:
            wait = min(_RETRY_S * 2.0 ** min(one.tries, _MOST_DOUBLINGS), _LONGEST_S)
            trouble = mask(" ".join(str(cause).split()))[:_TROUBLE]
            _replace(folder, one, replace(one, tries=one.tries + 1, next=now + wait, trouble=trouble))
            return
        _replace(folder, one, None)


def _replace(folder: Path, one: Delivery, other: Delivery | None) -> None:
    """Put a delivery in the place of another, or nothing."""
    with changing(folder) as change:
        rest = [other if _is_same(item, one) else item for item in change.state.outbox]
        change.state = replace(change.state, outbox=tuple(item for item in rest if item is not None))


def _is_same(one: Delivery, other: Delivery) -> bool:
    return one.channel == other.channel and one.event["id"] == other.event["id"]


def _send(ws: Workspace, channel: Channel, event: Mapping[str, Any]) -> None:
    content = json.dumps(plain(event)).encode()
    if channel.kind == "webhook":
        _post(channel, event, content)
    elif channel.kind == "file":
        _append(ws.root / channel.target, content + b"\n")


def _append(path: Path, line: bytes) -> None:
    """Add a line in one write."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(number, line) < len(line):
                raise _NotDeliveredError(f"{path.name}: it was written in part")
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as cause:
        raise _NotDeliveredError(f"{path.name}: {cause.strerror}") from cause


def _post(channel: Channel, event: Mapping[str, Any], content: bytes) -> None:
    import httpx

    try:
        target = _revealed(channel.target)
        headers = {name: _revealed(value) for name, value in channel.headers.items()}
    except LeptonError as cause:
        raise _NotDeliveredError(cause.what) from cause
    if not target.startswith(("http://", "https://")):
        raise _NotDeliveredError(f"the secret of channel {channel.name} is no address")
    headers |= {"content-type": "application/json", "idempotency-key": str(event["id"])}
    try:
        # A loop of its own: in a notebook this thread has one that runs already.
        with ThreadPoolExecutor(1) as pool:
            status = pool.submit(asyncio.run, _status(target, headers, content)).result()
    except TimeoutError as cause:
        raise _NotDeliveredError(f"it did not answer within {_TIMEOUT_S:g} s") from cause
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as cause:
        raise _NotDeliveredError(f"{type(cause).__name__}: {cause}") from cause
    if not httpx.codes.is_success(status):
        raise _NotDeliveredError(f"it answered {status}")


async def _status(target: str, headers: Mapping[str, str], content: bytes) -> int:
    """What a webhook answers; its body, which may come drop by drop for ever, is left unread.

    Raises:
        TimeoutError: it took too long, all in all: httpx itself only limits each wait.
    """
    import httpx

    async with asyncio.timeout(_TIMEOUT_S):
        # A redirect would carry the headers to somebody else.
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", target, content=content, headers=headers) as answer,
        ):
            return answer.status_code


def _revealed(value: str) -> str:
    name = secret_name(value)
    return value if name is None else resolve_secret(name)


def write_prometheus(
    ws: Workspace, deployment: str, channels: Mapping[str, Channel], alerts: Sequence[Alert]
) -> Mapping[str, str]:
    """Write what fires now for the textfile collector of Prometheus. Deployments may share a file.

    Returns:
        By channel why its file could not be written.
    """
    label = f'lepton_alert_firing{{deployment="{deployment}",'
    lines = [f'{label}alert="{one.name}",severity="{one.severity}"}} {int(one.status == "firing")}\n' for one in alerts]
    troubles = {}
    for channel in channels.values():
        if channel.kind != "prometheus":
            continue
        path = ws.root / channel.target
        try:
            with locked(ws.home / ".prometheus.lock"):
                present = path.read_text(errors="replace") if path.exists() else _PROMETHEUS
                if not present.startswith(_PROMETHEUS):
                    troubles[channel.name] = f"{channel.target} is somebody else's file"
                    continue
                others = present.removeprefix(_PROMETHEUS).splitlines(keepends=True)
                kept = [line for line in others if not line.startswith(label)]
                write_atomic(path, _PROMETHEUS + "".join([*kept, *lines]))
        except ConflictError as cause:
            troubles[channel.name] = f"{channel.target}: {cause.what}"
        except OSError as cause:
            troubles[channel.name] = f"{channel.target}: {cause.strerror}"
    return troubles
