import json
import os
import time

import pytest

from lepton_nb.pipelines import expired, named, prune
from lepton_nb.pipelines.cache.store import Entry, Store
from lepton_nb.processes import identify
from lepton_nb.workspace import write_json

KEY, RUN = "ab" * 32, "0123456789abcdef" * 2


@pytest.fixture
def store(ws, tmp_path):
    return Store(ws.home / "cache", tmp_path)


@pytest.fixture
def entry(store, ws, notebook):
    """A result that was stored 40 days ago."""
    assert store.keep(Entry(KEY, "train", {"run": RUN}), notebook("done", "1")) == ""
    aged(ws.home / "cache" / KEY)
    return ws.home / "cache" / KEY


def aged(folder, days=40):
    moment = time.time() - days * 86400
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (moment, moment))


def old(ws, days=30):
    return [(one.kind, one.name) for one in expired(ws, time.time() - days * 86400)]


def running(ws):
    runner = identify()
    body = {"pipeline": "quick", "status": "running", "runner": {"pid": runner.pid, "started": runner.started}}
    write_json(ws.pipelines / "20260101-000000-aaaaaa" / "run.json", body)
    return ws.pipelines / "20260101-000000-aaaaaa"


def test_a_result_goes_by_its_last_use(store, ws, entry, tmp_path) -> None:
    assert old(ws) == [("cache entry", "train")]
    assert old(ws, 41) == []
    assert store.take(KEY, tmp_path / "out.ipynb")[0] is not None
    assert old(ws) == []


def test_a_broken_result_and_a_half_made_one_go_by_age_and_claims_stay(store, ws, entry, tmp_path) -> None:
    (entry / "notebook.ipynb").write_text("{}")
    assert store.take(KEY, tmp_path / "out.ipynb")[0] is None
    (ws.home / "cache" / ".new-x" / "files").mkdir(parents=True)
    assert store.claim(KEY)
    assert old(ws, 41) == []
    aged(ws.home / "cache")
    assert sorted(old(ws)) == [("broken entry", "train"), ("leftover", "")]
    store.release(KEY)


def test_what_a_result_that_stays_names_is_told_and_what_only_one_that_goes_names_is_not(ws, entry) -> None:
    (going,) = expired(ws, time.time())
    assert RUN in named(ws, [])
    assert named(ws, [going]) == frozenset()


def test_what_a_running_step_reported_so_far_is_named_already(ws) -> None:
    (running(ws) / "train").mkdir()
    lines = [{"format": 1, "name": "run", "value": "tumours"}, {"format": 1, "name": "file", "value": f"/x/{RUN}/w"}]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"format": 1, "na'
    (ws.pipelines / "20260101-000000-aaaaaa" / "train" / "outputs.jsonl").write_text(text)
    assert {"tumours", RUN} <= named(ws, [])


def test_a_pipeline_that_runs_stays_and_holds_what_it_took_from_the_cache(ws, entry) -> None:
    folder = running(ws)
    write_json(folder / "train.json", {"key": KEY, "outputs": {}})
    aged(folder)
    (held,) = expired(ws, time.time())
    assert (held.name, held.held) == ("train", "a pipeline that runs uses it")


def test_a_run_without_readable_records_goes_by_the_last_that_was_written(ws) -> None:
    for name, text in (("20260101-000000-aaaaaa", "{"), ("20260101-000000-bbbbbb", None)):
        (ws.pipelines / name).mkdir(parents=True)
        if text:
            (ws.pipelines / name / "run.json").write_text(text)
        aged(ws.pipelines / name)
    assert old(ws) == [("pipeline run", "")] * 2


def test_a_result_that_was_used_since_it_was_found_stays(store, ws, entry, tmp_path) -> None:
    (found,) = expired(ws, time.time() - 86400)
    assert store.take(KEY, tmp_path / "out.ipynb")[0] is not None
    assert not prune(ws, found)
    aged(entry)
    (found,) = expired(ws, time.time() - 86400)
    assert prune(ws, found)
    assert not entry.exists()
