"""What a file of alerts asks for.

alerts:
  older:                                # a name of one's own
    when: psi(age) > 0.2 for 30m        # the language of rules; what may be asked is listed in `monitoring.facts`
    over: 24h                           # the traffic that is looked at, up to now (default: 1h)
    severity: warning                   # info, warning (the default) or critical
    message: People are older than in training
    deliver: [ops]                      # default: everywhere
  unsure: expected_accuracy < 0.85      # a rule alone
deliver:
  ops:
    webhook: https://example.com/hook   # or secret:NAME; http or https
    headers: {authorization: secret:OPS_TOKEN}
  record: {file: alerts.jsonl}          # a line per event
  scrape: {prometheus: lepton.prom}     # what fires now, for the textfile collector
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import urlsplit

from ...errors import RuleError, UsageError, near
from ...records import Severity, seconds_of
from ...rules import UNKNOWN, evaluate, names
from ...workspace import Workspace, check_name, secret_name
from ..facts import FUNCTIONS, NAMES, check_feature
from .document import Node, read_document

__all__ = ["Channel", "Defined", "Wanted", "read_alerts"]

_FOR = re.compile(r"(?P<rule>.*\S)\s+for\s+(?P<age>\S+)", re.DOTALL)
_OVER_S, _LEAST_OVER_S = 3600.0, 60.0
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
# Who sends them says what they are.
_OURS = ("content-type", "content-length", "host", "transfer-encoding", "connection", "idempotency-key")


@dataclass(frozen=True)
class Wanted:
    """An alert that was asked for.

    Args:
        name: its name.
        when: as it was written.
        rule: the condition alone.
        held: seconds that it must hold.
        over: seconds of traffic that are looked at.
        severity: how bad it is.
        message: for people.
        channels: where it is delivered.
    """

    name: str
    when: str
    rule: str
    held: float
    over: float
    severity: Severity
    message: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """Where alerts go.

    Args:
        name: its name.
        kind: `webhook`, `file` or `prometheus`.
        target: an address or `secret:NAME`; or a path inside the project.
        headers: of a webhook; values may be `secret:NAME`.
    """

    name: str
    kind: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Defined:
    """A file of alerts.

    Args:
        alerts: in its order.
        channels: by name.
    """

    alerts: tuple[Wanted, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)


def read_alerts(ws: Workspace, path: Path, kinds: Mapping[str, str]) -> Defined:
    """The alerts of a file.

    Args:
        ws: the workspace, out of which no path leads.
        path: the file.
        kinds: the features of the model, as `facts.kinds_of` tells them; where there are none, any name may be one.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no YAML, or something in it is not understood; the message names line and field.
    """
    document = read_document(path)
    body = document.fields((), ("format", "alerts", "deliver"))
    if "format" in body and body["format"].text() != "1":
        raise body["format"].refused("this file is newer", "format 1", body["format"].text(), "upgrade lepton_nb")
    channels = {
        name: _channel(ws, _named(name, node), node)
        for name, node in (body["deliver"].mapping() if "deliver" in body else {}).items()
    }
    alerts = body["alerts"].mapping() if "alerts" in body else {}
    return Defined(tuple(_wanted(_named(n, node), node, channels, kinds) for n, node in alerts.items()), channels)


def _named(name: str, node: Node) -> str:
    try:
        return check_name(name)
    except UsageError as cause:
        raise node.refused(cause.what, cause.expected) from cause


def _wanted(name: str, node: Node, channels: Collection[str], kinds: Mapping[str, str]) -> Wanted:
    plain = isinstance(node.value, str)
    fields = {"when": node} if plain else node.fields(("when",), ("over", "severity", "message", "deliver"))
    when = fields["when"].text()
    rule, held = _split(fields["when"], when)
    _check(fields["when"], rule, kinds)
    severity = fields["severity"].text() if "severity" in fields else "warning"
    if severity not in get_args(Severity):
        legal = get_args(Severity)
        raise fields["severity"].refused(f"unknown severity {severity!r}", ", ".join(legal), hint=near(severity, legal))
    over = _seconds(fields["over"], fields["over"].text()) if "over" in fields else _OVER_S
    if over < _LEAST_OVER_S:
        raise fields["over"].refused("windows are a minute long", "1m or more")
    wanted = [(one, one.text()) for one in fields["deliver"].items()] if "deliver" in fields else []
    for one, channel in wanted:
        if channel not in channels:
            known = ", ".join(channels) or "none: add them under deliver"
            raise one.refused(f"there is no channel {channel!r}", known, hint=near(channel, channels))
    return Wanted(
        *(name, when, rule, held, over, cast("Severity", severity)),
        fields["message"].text() if "message" in fields else when,
        tuple(channel for _, channel in wanted) if "deliver" in fields else tuple(channels),
    )


def _split(node: Node, when: str) -> tuple[str, float]:
    """The condition, and how many seconds it must hold."""
    found = _FOR.fullmatch(when)
    return (found["rule"], _seconds(node, found["age"])) if found else (when, 0.0)


def _seconds(node: Node, age: str) -> float:
    try:
        return seconds_of(age) or 0.0
    except UsageError as cause:
        raise node.refused(cause.what, cause.expected) from cause


def _check(node: Node, rule: str, kinds: Mapping[str, str]) -> None:
    """Refuse a rule that could never be evaluated."""

    def telling(function: str) -> Callable[..., Any]:
        def tell(feature: str) -> Any:
            if kinds:
                check_feature(function, feature, kinds)
            return UNKNOWN

        return tell

    try:
        features = kinds or names(rule, FUNCTIONS)
        # Nothing is known yet: each name is looked at, and nothing is compared.
        values: dict[str, Any] = {name: name for name in features} | dict.fromkeys(NAMES, UNKNOWN)
        evaluate(rule, values, {name: telling(name) for name in FUNCTIONS})
    except RuleError as cause:
        raise node.refused(cause.what, cause.expected, cause.got, cause.hint) from cause


def _channel(ws: Workspace, name: str, node: Node) -> Channel:
    fields = node.fields((), ("webhook", "file", "prometheus", "headers"))
    kinds = [kind for kind in fields if kind != "headers"]
    if len(kinds) != 1:
        raise node.refused("a channel is one thing", "webhook, file or prometheus", ", ".join(kinds) or "none")
    (kind,) = kinds
    target = fields[kind].text()
    if kind != "webhook":
        if "headers" in fields:
            raise fields["headers"].refused("only a webhook has headers")
        _check_path(ws, fields[kind], target, ".jsonl" if kind == "file" else ".prom")
        return Channel(name, kind, target)
    if secret_name(target) is None:
        _check_url(fields[kind], target)
    headers = {
        _header(header, one): one.text()
        for header, one in (fields["headers"].mapping() if "headers" in fields else {}).items()
    }
    return Channel(name, kind, target, headers)


def _check_url(node: Node, target: str) -> None:
    try:
        parts = urlsplit(target)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        open_secret = bool(parts.username or parts.password)
    except ValueError:
        sound, open_secret = False, False
    if not sound or not target.isprintable() or " " in target:
        raise node.refused("this is no address of a webhook", "http://... or https://..., or secret:NAME")
    if open_secret:
        raise node.refused("an address holds no password", hint="use headers: {authorization: secret:NAME}")


def _header(name: str, node: Node) -> str:
    if not _HEADER.fullmatch(name) or name.lower() in _OURS:
        raise node.refused(f"{name!r} is no header that can be set")
    if not node.text().isprintable():
        raise node.refused("a header is one line of text")
    return name


def _check_path(ws: Workspace, node: Node, target: str, suffix: str) -> None:
    root, home = ws.root.resolve(), ws.home.resolve()
    path = (root / target).resolve()
    if not path.is_relative_to(root) or path.is_relative_to(home):
        raise node.refused("this file is not in the project", f"a path inside {root}, but not in {home.name}")
    if path.suffix != suffix:
        raise node.refused(f"{target!r} has an unknown kind", f"a name that ends in {suffix}")
