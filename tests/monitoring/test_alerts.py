"""Alerts: what a file may ask for, when they begin and end, and what is told."""

from __future__ import annotations

import json
import re
import time

import pytest
from judging import predict, tell

from lepton_nb.errors import FormatError, NotFoundError
from lepton_nb.monitoring import alerts, evaluate_alerts, monitor, remember_alerts

NOW = time.time()  # each test sets its own: see conftest

FILE = """
alerts:
  older:
    when: psi(age) > 0.2 for 30m
    severity: critical
    message: People are older than in training
deliver:
  record: {file: told/alerts.jsonl}
"""


def asked(one, text=FILE):
    (one.folder / "alerts.yml").write_text(text)
    return one


def events(one, name="told/alerts.jsonl"):
    path = one.ws.root / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def statuses(one, now):
    return [alert.status for alert in evaluate_alerts(one.ws, one.name, now=now)]


def test_it_fires_when_its_rule_has_held_so_long_and_tells_once_when_it_begins_and_ends(logged):
    one = asked(logged())
    one.answer(one.rows(200, shift=15), at=NOW - 100)
    assert statuses(one, NOW) == ["pending"]
    assert statuses(one, NOW + 1700) == ["pending"]
    assert events(one) == []
    assert statuses(one, NOW + 1800) == ["firing"]
    assert statuses(one, NOW + 1900) == ["firing"]
    (begun,) = events(one)
    assert (begun["event"], begun["alert"], begun["severity"], begun["since"]) == ("firing", "older", "critical", NOW)
    assert begun["values"]["psi(age)"] > 0.2
    assert begun["text"] == "[firing] demo: older (critical): People are older than in training"
    one.answer(one.rows(20_000), at=NOW - 50)
    assert statuses(one, NOW + 2000) == ["quiet"]
    assert statuses(one, NOW + 2100) == ["quiet"]
    (_, ended) = events(one)
    assert (ended["event"], ended["alert"], ended["began"]) == ("resolved", "older", begun["id"])
    assert ended["id"] != begun["id"]


def test_what_did_not_hold_long_enough_begins_anew(logged):
    one = asked(logged())
    one.answer(one.rows(200, shift=15), at=NOW - 100)
    statuses(one, NOW)
    one.answer(one.rows(20_000), at=NOW - 100)
    assert statuses(one, NOW + 1000) == ["quiet"]
    one.answer(one.rows(60_000, shift=15), at=NOW - 90)
    assert statuses(one, NOW + 1800) == ["pending"]
    assert statuses(one, NOW + 3600) == ["firing"]


def test_what_is_not_known_neither_begins_nor_ends_an_alert(logged):
    one = asked(logged(), "alerts: {bad: 'not quality >= 0.9', slow: p95_ms > 100}\ndeliver: {r: {file: a.jsonl}}\n")
    assert statuses(one, NOW) == ["unknown", "unknown"]
    ids = predict(one, one.rows(60), [0.9] * 60)
    assert statuses(one, NOW) == ["unknown", "quiet"]
    tell(one, [(identifier, "no") for identifier in ids])
    assert statuses(one, NOW) == ["firing", "quiet"]
    assert [event["alert"] for event in events(one, "a.jsonl")] == ["bad"]


def test_a_broken_rule_stops_no_other_and_is_told(logged):
    text = "alerts: {odd: psi(age), missing: errors > 0.1}\ndeliver: {r: {file: a.jsonl}}\n"
    one = asked(logged(), text)
    one.answer(one.rows(200))
    one.fail()
    first, second = evaluate_alerts(one.ws, one.name)
    assert (first.status, second.status) == ("broken", "firing")
    assert "neither true nor false" in first.fault
    found = monitor(one.ws, one.name)
    assert any("alert odd cannot be evaluated" in reason for reason in found.reasons)


def test_an_alert_that_is_taken_out_of_the_file_ends(logged):
    one = asked(logged(), "alerts: {any: requests > 0}\ndeliver: {r: {file: a.jsonl}}\n")
    one.answer(one.rows(1))
    assert statuses(one, NOW) == ["firing"]
    asked(one, "deliver: {r: {file: a.jsonl}}\n")
    assert statuses(one, NOW) == []
    assert [event["event"] for event in events(one, "a.jsonl")] == ["firing", "removed"]
    assert statuses(one, NOW) == []
    assert len(events(one, "a.jsonl")) == 2


def test_it_goes_only_where_it_shall(logged):
    text = """
alerts:
  one: {when: requests > 0, deliver: left}
  other: {when: requests > 0, deliver: [right]}
  both: requests > 0
deliver:
  left: {file: left.jsonl}
  right: {file: right.jsonl}
"""
    one = asked(logged(), text)
    one.answer(one.rows(1))
    statuses(one, NOW)
    assert {event["alert"] for event in events(one, "left.jsonl")} == {"one", "both"}
    assert {event["alert"] for event in events(one, "right.jsonl")} == {"other", "both"}


def test_prometheus_reads_what_fires_now(logged):
    text = "alerts: {any: requests > 0, none: requests > 9}\ndeliver: {scrape: {prometheus: out/lepton.prom}}\n"
    one = asked(logged(), text)
    one.answer(one.rows(1))
    evaluate_alerts(one.ws, one.name)
    from prometheus_client.parser import text_string_to_metric_families

    content = (one.ws.root / "out" / "lepton.prom").read_text()
    samples = {s.labels["alert"]: s.value for f in text_string_to_metric_families(content) for s in f.samples}
    assert samples == {"any": 1.0, "none": 0.0}
    (one.ws.root / "out" / "lepton.prom").write_text("# mine\n")
    found = evaluate_alerts(one.ws, one.name)
    assert "somebody else's file" in found[0].trouble
    assert (one.ws.root / "out" / "lepton.prom").read_text() == "# mine\n"


def test_the_verdict_joins_what_fires(logged):
    one = asked(logged(), "alerts: {any: {when: requests > 0, severity: critical, message: busy}}\n")
    one.answer(one.rows(1))
    found = monitor(one.ws, one.name)
    assert (found.verdict, found.exit_status) == ("failing", 3)
    assert found.reasons[0].startswith("alert any (critical): busy")
    assert ("alert any", "firing") in found.table().rows
    asked(one, "alerts: {any: {when: requests > 0, severity: info}}\n")
    assert monitor(one.ws, one.name).verdict == "healthy"


def test_a_slip_in_the_file_hides_nothing(logged):
    one = asked(logged(), "alerts: {any: requests >}\n")
    one.answer(one.rows(200, shift=15))
    found = monitor(one.ws, one.name)
    assert found.verdict == "drifting"
    assert any(reason.startswith("alerts: ") and "line 1" in reason for reason in found.reasons)


def test_a_file_that_was_named_is_remembered(logged):
    one = logged()
    one.answer(one.rows(1))
    path = one.ws.root / "mine.yml"
    path.write_text("alerts: {any: requests > 0}\n")
    remember_alerts(one.ws, one.name, path)
    assert statuses(one, NOW) == ["firing"]
    path.write_text("alerts: {none: requests > 9}\n")
    assert [alert.name for alert in evaluate_alerts(one.ws, one.name)] == ["none"]
    path.unlink()
    assert any("mine.yml does not exist" in reason for reason in monitor(one.ws, one.name).reasons)
    with pytest.raises(NotFoundError, match=r"other\.yml does not exist"):
        remember_alerts(one.ws, one.name, one.ws.root / "other.yml")


def test_to_look_at_them_changes_nothing(logged):
    one = asked(logged(), "alerts: {any: requests > 0}\ndeliver: {r: {file: a.jsonl}}\n")
    one.answer(one.rows(1))
    assert [alert.status for alert in alerts(one.ws, one.name)] == ["quiet"]
    assert events(one, "a.jsonl") == []
    evaluate_alerts(one.ws, one.name)
    assert [alert.status for alert in alerts(one.ws, one.name)] == ["firing"]
    assert alerts(one.ws, logged("bare").name) == evaluate_alerts(one.ws, "bare") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alerts:\n  a: psi(agee) > 0.2\n", r"line 2, alerts\.a: .*'agee' is not known.*did you mean 'age'"),
        ("alerts:\n  a: psi('agee') > 0.2\n", r"line 2, alerts\.a: .*no feature 'agee'"),
        ("alerts:\n  a: ks(city) > 0.2\n", r"line 2, alerts\.a: .*ks is of a number"),
        ("alerts:\n  a: pis(age) > 0.2\n", r"line 2, alerts\.a: .*'pis' is no function.*did you mean 'psi'"),
        ("alerts:\n  a: qualiti < 0.2\n", r"line 2, alerts\.a: .*did you mean 'quality'"),
        ("alerts:\n  a: quality < 0.2 for 30\n", r"line 2, alerts\.a: age '30' is not understood; expected a number"),
        ("alerts:\n  a:\n    wen: 1\n", r"line 3, alerts\.a\.wen: unknown field 'wen'.*did you mean 'when'"),
        ("alerts:\n  a: {severity: warning}\n", r"line 2, alerts\.a: when is missing"),
        ("alerts:\n  a: {when: drifting, severity: bad}\n", "unknown severity 'bad'; expected info, warning, critical"),
        ("alerts:\n  a: {when: drifting, over: 10s}\n", "windows are a minute long"),
        ("alerts:\n  a: {when: drifting, deliver: [opz]}\ndeliver: {ops: {file: a.jsonl}}", "did you mean 'ops'"),
        ("alerts:\n  A b: drifting\n", r"line 2, .*name 'A b' is not allowed"),
        ("alerts:\n  a: drifting\n  a: drifting\n", r"line 3, alerts\.a: this field is there twice"),
        ("alerts: [1, 2]\n", "line 1, alerts: this is no mapping"),
        ("alert: {}\n", r"line 1, alert: unknown field 'alert'.*did you mean 'alerts'"),
        ("format: 2\n", "this file is newer; expected format 1"),
        ("alerts: {\n", "line 2: this is not YAML"),
        ("a: &x 1\nalerts: *x\n", "line 2: anchors are not understood here"),
        ("deliver:\n  w: {webhook: ftp://x/y}\n", r"line 2, deliver\.w\.webhook: this is no address"),
        ("deliver:\n  w: {webhook: 'http://u:p@x/y'}\n", "an address holds no password"),
        ("deliver:\n  w: {webhook: 'http://x/', file: a.jsonl}\n", "a channel is one thing"),
        ("deliver:\n  w: {}\n", "a channel is one thing"),
        ("deliver:\n  w: {webhook: 'http://x/', headers: {Host: y}}\n", "'Host' is no header that can be set"),
        ('deliver:\n  w: {webhook: "http://x/", headers: {a: "x\\r\\ny: z"}}\n', "a header is one line of text"),
        ("deliver:\n  w: {file: ../a.jsonl}\n", "this file is not in the project"),
        ("deliver:\n  w: {file: .lepton/a.jsonl}\n", "this file is not in the project"),
        ("deliver:\n  w: {file: a.txt}\n", r"a name that ends in \.jsonl"),
        ("deliver:\n  w: {prometheus: /etc/a.prom}\n", "this file is not in the project"),
    ],
)
def test_a_slip_is_named_with_its_line(logged, text, says):
    one = logged()
    path = one.ws.root / "slip.yml"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        remember_alerts(one.ws, one.name, path)
    assert str(path) in str(caught.value)
    assert re.search(says, str(caught.value)), str(caught.value)
    # Nothing is remembered of it.
    assert evaluate_alerts(one.ws, one.name) == ()
