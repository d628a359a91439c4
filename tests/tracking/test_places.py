"""Stores in odd places, and files that broke."""

import json
import shutil
import sqlite3
import tempfile
import time

import pytest

from lepton_nb import tracking
from lepton_nb.errors import FormatError, TrackingError
from lepton_nb.records import Metric
from lepton_nb.tracking import address, store, template
from lepton_nb.workspace import Workspace


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


def start(ws, name="cnn-1"):
    return tracking.start_run(ws, name, {}, {"lepton.model": "cnn", "lepton.data": "d" * 64})


@pytest.mark.parametrize("name", ["a%20b#c", "what? a b", "x@y:z;1", 'ümläut "q" \'s'])
def test_a_folder_may_have_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    ws = Workspace(tmp_path / name / ".lepton")
    run_id = start(ws)
    tracking.log_metrics(ws, run_id, [Metric("loss", 0.5, 0, time.time())])
    (ws.run(run_id) / "f.txt").write_text("abc")
    tracking.log_files(ws, run_id, [ws.run(run_id) / "f.txt"])
    tracking.finish_run(ws, run_id, "finished")
    assert tracking.get(ws, "last").metrics == {"loss": 0.5}
    assert (ws.artifacts / run_id / "artifacts/f.txt").read_text() == "abc"
    assert address.sqlite_file(tracking.uri(ws)) == ws.mlflow_db
    assert tracking.delete(ws, run_id).id == run_id
    assert not (ws.artifacts / run_id).exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def garbage(path):
    path.write_bytes(b"x" * 5000)


def truncated(path):
    path.write_bytes(path.read_bytes()[:4096])


@pytest.mark.parametrize("broken", [garbage, truncated])
@pytest.mark.parametrize("met", ["before", "after"])
def test_a_broken_store_is_named_with_the_next_step_which_works(ws, broken, met):
    run_id = start(ws)
    if met == "before":
        # As a process that meets the file for the first time.
        store._client.cache_clear()
    broken(ws.mlflow_db)
    for ask in (lambda: tracking.runs(ws), lambda: tracking.get(ws, "last"), lambda: start(ws)):
        with pytest.raises(TrackingError, match=r"mlflow\.db is broken; .*move .*mlflow\.db away") as caught:
            ask()
        assert "\n" not in str(caught.value)
    ws.mlflow_db.rename(ws.home / "broken.db")
    assert tracking.runs(ws).runs == ()
    assert tracking.get(ws, start(ws, "anew")).name == "anew"
    assert (ws.run(run_id) / "tracking.json").is_file()


def test_a_store_that_is_busy_is_not_called_broken(ws):
    told = str(store._refusal(tracking.uri(ws), sqlite3.OperationalError("database is locked")))
    assert "broken" not in told
    assert "another process writes to it: try again" in told


def test_without_a_cache_nothing_is_left_in_the_temporary_folder(ws, tmp_path, monkeypatch):
    made = Workspace(tmp_path / "made")
    tracking.create(made)
    # Migrating takes seconds, and is tested where processes race for it.
    monkeypatch.setattr(template, "_make", lambda path: shutil.copyfile(made.mlflow_db, path))
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    tracking.create(ws)
    assert ws.mlflow_db.is_file()
    assert list((tmp_path / "tmp").iterdir()) == []


BROKEN = {
    "spool.sent": ["", "x", "-1x"],
    "spool.jsonl": [
        "garbage\n",
        '{"format": 1}\n',
        '{"format": 1, "kind": "metrics", "metrics": [[1]]}\n',
        '{"format": 1, "kind": "tags", "tags": 3}\n',
        '{"format": 1, "kind": "finish", "status": "x", "cause": "", "time": 1}\n',
        "[" * 3000 + "\n",
    ],
    "tracking.json": ['{"format": 1}', "", "[]"],
    "process.json": [
        "garbage",
        "",
        '{"format": 1, "pid": -1, "started": 1}',
        '{"format": 1, "pid": 1e999, "started": 1}',
    ],
}


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A workspace with a run that others stand beside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        ws = Workspace(tmp_path_factory.mktemp("broken") / ".lepton")
        return ws, start(ws, "whole")


def refusal(act, *arguments):
    try:
        act(*arguments)
    except FormatError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("file", "content"), [(name, text) for name, texts in BROKEN.items() for text in texts])
@pytest.mark.parametrize("lives", [True, False])
def test_a_broken_file_of_a_run_hides_no_other_run(started, file, content, lives):
    ws, whole = started
    run_id = start(ws, "broken")
    if not lives:
        gone = json.loads((ws.run(run_id) / "process.json").read_text())
        (ws.run(run_id) / "process.json").write_text(json.dumps({**gone, "started": gone["started"] - 3600}))
    (ws.run(run_id) / file).write_text(content)
    listed = {run.id: run for run in tracking.runs(ws).runs}
    assert listed[whole].status == "running"
    told = listed[run_id]
    assert told.status == ("running" if lives and file != "process.json" else "failed")
    if not lives and file not in ("spool.sent", "process.json"):
        assert f"{file} is not readable" in told.cause
    for act in (tracking.recorded, lambda ws, run_id: tracking.set_tags(ws, run_id, {"a": "b"})):
        refused = refusal(act, ws, run_id)
        assert refused is None or (f"{run_id}/{file} is not readable" in refused and "\n" not in refused)
    if told.status == "failed":
        assert tracking.delete(ws, run_id).id == run_id
    else:
        assert tracking.get(ws, run_id).status == "running"
