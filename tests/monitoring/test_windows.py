"""Every line of the prediction log is counted exactly once."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter

import numpy as np
import pytest

from lepton_nb.errors import FormatError, NotFoundError, UsageError
from lepton_nb.monitoring import entries, observe, segments, windows
from lepton_nb.workspace import Workspace

# A whole minute, long past; the rows around it fall into windows that can be named.
NOON = 1_700_000_040 - 1_700_000_040 % 60


def test_counts_equal_those_of_a_plain_reading(logged):
    one = logged()
    rng = np.random.default_rng(0)
    for i in range(60):
        labels = [str(x) for x in rng.choice(["no", "yes"], 1 + i % 4)]
        one.answer(one.rows(1 + i % 4, seed=i), at=NOON + i * 5.0, ms=1.0 + i, labels=labels)
        if i % 7 == 0:
            one.fail(422, "invalid_row", at=NOON + i * 5.0)
    entries = one.entries()
    rows = [entry for entry in entries if "error" not in entry]
    observed = observe(one.ws, one.name)
    assert observed.broken == 0
    for span, counts in observed.windows.items():
        inside = [entry for entry in rows if span.start <= entry["time"] < span.start + span.seconds]
        assert counts.rows == len(inside)
        assert counts.labels == Counter(entry["outputs"]["label"] for entry in inside)
    everything = observed.since(None)
    assert everything.rows == len(rows)
    assert everything.requests == 60 + 9
    assert everything.errors == {"422 invalid_row": 9}
    assert everything.latency.sum() == 60
    for feature in everything.models["demo:v1"].features.values():
        assert feature.sum() == len(rows)


def test_missing_and_unseen_values_have_places_of_their_own(logged):
    one = logged()
    one.answer([{"age": None, "city": "rome"}, {"age": 40.0, "city": None}, {"age": 1e9, "city": "lima"}], at=NOON)
    features = observe(one.ws, one.name).since(None).models["demo:v1"].features
    assert features["age"][-1] == 1
    assert features["age"][-2] == 1
    assert features["city"].tolist() == [0, 1, 1, 1]


def test_reading_again_reads_only_what_is_new(logged, monkeypatch):
    one = logged()
    one.answer(one.rows(50))
    observe(one.ws, one.name)
    read: list[int] = []
    plain = segments.whole_lines

    def spy(log, offset):
        for chunk in plain(log, offset):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(segments, "whole_lines", spy)
    assert observe(one.ws, one.name).since(None).rows == 50
    assert read == []
    before = one.segments[0].stat().st_size
    one.answer(one.rows(3))
    assert observe(one.ws, one.name).since(None).rows == 53
    assert read == [one.segments[0].stat().st_size - before]


def test_a_torn_line_waits_for_its_end(logged):
    one = logged()
    one.answer(one.rows(2))
    whole = one.segments[0].read_bytes()
    first, second = whole.splitlines(keepends=True)
    one.segments[0].write_bytes(first + second[:40])
    assert observe(one.ws, one.name).since(None).rows == 1
    one.segments[0].write_bytes(whole)
    observed = observe(one.ws, one.name)
    assert (observed.since(None).rows, observed.broken) == (2, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"{torn",
        b"[]",
        b"\xff\xfe",
        b"",
        b'{"format": 1}',
        b'{"format": 1, "time": -5, "version": "demo:v1", "latency_ms": 1, "inputs": {}, "outputs": {"label": "no"}}',
        b'{"format": 1, "time": 5, "version": "demo:v1", "latency_ms": 1, "inputs": {}, "outputs": {"label": "no"}}',
        b'{"format":1,"time":5,"version":"demo:v1","latency_ms":1,"inputs":{"age":"3","city":"rome"},"outputs":{"label":"no"}}',
    ],
)
def test_a_broken_line_is_counted_and_stops_nothing(logged, line):
    one = logged()
    one.answer(one.rows(5, seed=1))
    with one.segments[0].open("ab") as stream:
        stream.write(line + b"\n")
    one.answer(one.rows(5, seed=2))
    observed = observe(one.ws, one.name)
    assert (observed.since(None).rows, observed.broken) == (10, 1)


def test_a_line_of_a_newer_format_is_refused_and_read_after_the_upgrade(logged):
    one = logged()
    one.answer(one.rows(1))
    content = one.segments[0].read_bytes()
    one.segments[0].write_bytes(content + content.replace(b'"format":1', b'"format":2'))
    with pytest.raises(FormatError, match="lines of format 2"):
        observe(one.ws, one.name)
    one.segments[0].write_bytes(content + content)
    assert observe(one.ws, one.name).since(None).rows == 2


def test_each_version_is_counted_in_the_bins_of_its_own_reference(logged):
    one = logged()
    one.answer(one.rows(10))
    observe(one.ws, one.name)
    one.promote("demo:v2")
    one.answer(one.rows(4))
    models = observe(one.ws, one.name).since(None).models
    assert {version: model.rows for version, model in models.items()} == {"demo:v1": 10, "demo:v2": 4}
    assert models["demo:v2"].features["age"].sum() == 4


def test_rows_of_a_version_whose_model_is_gone_are_counted_without_features(logged):
    one = logged()
    one.answer(one.rows(10))
    one.promote("demo:v2")
    models = observe(one.ws, one.name).since(None).models
    assert models["demo:v1"].rows == 10
    assert models["demo:v1"].features == {}


def test_a_late_line_lands_in_its_own_minute(logged):
    one = logged()
    one.answer(one.rows(1), at=NOON + 600)
    observe(one.ws, one.name)
    one.answer(one.rows(2), at=NOON)
    windows = observe(one.ws, one.name).windows
    assert {span.start: counts.rows for span, counts in windows.items()} == {NOON: 2, NOON + 600: 1}


def test_minutes_of_more_than_a_day_ago_are_joined_to_hours(logged):
    one = logged()
    for i in range(300):
        one.answer(one.rows(1), at=NOON + i * 600.0)
    windows = observe(one.ws, one.name).windows
    assert sum(counts.rows for counts in windows.values()) == 300
    assert {span.seconds for span in windows} == {60, 3600}
    assert len(windows) <= 25 * 6 + 26
    one.answer(one.rows(5), at=NOON)
    again = observe(one.ws, one.name)
    assert again.since(None).rows == 305
    assert len(again.windows) == len(windows)


def test_windows_outlive_the_log(logged):
    one = logged()
    one.answer(one.rows(7))
    observe(one.ws, one.name)
    one.segments[0].unlink()
    assert observe(one.ws, one.name).since(None).rows == 7


def test_a_segment_read_in_many_chunks_counts_the_same(logged, monkeypatch):
    one = logged()
    for i in range(40):
        one.answer(one.rows(3, seed=i), at=NOON + i, ms=float(i))
    monkeypatch.setattr(entries, "_CHUNK_BYTES", 700)
    counts = observe(one.ws, one.name).since(None)
    assert (counts.rows, counts.requests, int(counts.latency.sum())) == (120, 40, 40)


def test_a_deployment_without_predictions_has_no_windows(logged):
    one = logged()
    observed = observe(one.ws, one.name)
    assert dict(observed.windows) == {}
    assert not (one.folder / "windows").exists()


def test_a_deployment_that_does_not_exist_is_named_with_those_that_do(logged):
    one = logged()
    with pytest.raises(NotFoundError, match=r"no deployment 'other'.*expected one of demo"):
        observe(one.ws, "other")
    with pytest.raises(UsageError):
        observe(one.ws, "../demo")


def test_a_broken_window_file_says_what_to_do(logged):
    one = logged()
    one.answer(one.rows(1))
    observe(one.ws, one.name)
    (path,) = (one.folder / "windows").glob("*.json")
    path.write_text(json.dumps({"format": 1}))
    with pytest.raises(FormatError, match="delete it"):
        observe(one.ws, one.name)
    path.unlink()
    assert observe(one.ws, one.name).since(None).rows == 1


def _observe_until(home, name, expected):
    ws, deadline = Workspace(home), time.monotonic() + 60
    while observe(ws, name).since(None).rows < expected and time.monotonic() < deadline:
        time.sleep(0.005)


def test_readers_in_other_processes_count_a_growing_log_exactly_once(logged):
    one = logged()
    context = multiprocessing.get_context("fork")
    readers = [context.Process(target=_observe_until, args=(one.ws.home, one.name, 600)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(120):
        one.answer(one.rows(5, seed=i), ms=float(i))
        time.sleep(0.002)
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    counts = observe(one.ws, one.name).since(None)
    assert (counts.rows, counts.requests) == (600, 120)
    (path,) = (one.folder / "windows").glob("*.json")
    assert json.loads(path.read_text())["lines"] == 600


def test_a_segment_that_is_begun_while_somebody_counts_is_not_taken_for_gone(logged, monkeypatch):
    one, listed = logged(), windows._window_files

    def begun_meanwhile(folder):
        monkeypatch.setattr(windows, "_window_files", listed)
        one.log.close()
        one.answer(one.rows(5, seed=2))
        observe(one.ws, one.name)
        return listed(folder)

    one.answer(one.rows(5, seed=1))
    monkeypatch.setattr(windows, "_window_files", begun_meanwhile)
    observe(one.ws, one.name)
    one.answer(one.rows(5, seed=3))
    assert observe(one.ws, one.name).since(None).rows == 15
