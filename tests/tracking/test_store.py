import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lepton_nb import processes, tracking
from lepton_nb.errors import AmbiguousError, ConflictError, FormatError, NotFoundError, TrackingError, UsageError
from lepton_nb.records import Metric
from lepton_nb.tracking import address
from lepton_nb.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
TAGS = {"lepton.model": "cnn", "lepton.data": "d" * 64}


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


def start(ws, name="cnn-1", **params):
    return tracking.start_run(ws, name, params, TAGS)


def python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_eight_processes_that_create_the_store_at_once_all_succeed(tmp_path, monkeypatch):
    # A cache of their own, so that they race for the template too.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ws = Workspace(tmp_path / ".lepton")
    code = (
        "import sys; from pathlib import Path;"
        "from lepton_nb import tracking; from lepton_nb.workspace import Workspace;"
        "tracking.create(Workspace(Path(sys.argv[1])))"
    )
    started = [python(code, ws.home) for _ in range(8)]
    assert [(p.communicate()[1], p.returncode) for p in started] == [(b"", 0)] * 8
    connection = sqlite3.connect(ws.mlflow_db)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert {row[0] for row in connection.execute("SELECT name FROM experiments")} == {"Default", "lepton"}
    connection.close()
    assert (ws.mlflow_db.stat().st_mode & 0o777) == 0o600
    assert tracking.get(ws, start(ws)).name == "cnn-1"


def test_creating_the_store_again_keeps_what_is_in_it(ws):
    run_id = start(ws)
    tracking.create(ws)
    assert tracking.get(ws, run_id).id == run_id


def test_a_workspace_without_a_store_has_no_runs_and_gets_none_by_looking(ws):
    assert tracking.runs(ws).runs == ()
    with pytest.raises(NotFoundError, match=r"no run is called 'last'; next: lepton train"):
        tracking.get(ws, "last")
    assert not ws.home.exists()


def test_a_run_keeps_parameters_metrics_tags_and_files_with_their_hashes(ws):
    run_id = start(ws, lr=0.1, hidden=[1, 2])
    assert ws.run(run_id).stat().st_mode & 0o777 == 0o700
    now = time.time()
    tracking.log_metrics(ws, run_id, [Metric("val_loss", 2.0 - step / 1000, step, now + step) for step in range(1200)])
    tracking.log_metrics(ws, run_id, [Metric("f1 {macro}", 0.5, 3, now), Metric("bad", float("nan"), 3, now)])
    tracking.set_tags(ws, run_id, {"owner": "ada"})
    file = ws.run(run_id) / "weights.safetensors"
    file.write_bytes(b"abc")
    tracking.log_files(ws, run_id, [file])
    tracking.finish_run(ws, run_id, "finished")
    run = tracking.get(ws, run_id)
    assert (run.status, run.model, run.data, run.cause) == ("finished", "cnn", "d" * 64, "")
    assert run.params == {"lr": "0.1", "hidden": "[1, 2]"}
    assert run.metrics["val_loss"] == pytest.approx(0.801)
    assert run.metrics["f1 _macro_"] == 0.5
    assert run.metrics["bad"] != run.metrics["bad"]
    assert run.tags["owner"] == "ada"
    assert run.tags["sha256.weights.safetensors"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (ws.artifacts / run_id / "artifacts/weights.safetensors").read_bytes() == b"abc"
    assert now - 5 < run.created <= run.ended <= time.time()


def test_a_run_says_where_it_came_from(ws, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "work/first.ipynb")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(ws.root)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    tags = tracking.get(ws, start(ws)).tags
    assert tags["git_commit"] == head
    assert tags["notebook"] == "first.ipynb"
    assert len(tags["environment"]) == 64
    assert not [name for name in tags if name.startswith(("mlflow.", "lepton."))]


def test_runs_are_listed_newest_first_and_no_more_than_asked_for(ws):
    ids = [start(ws, f"n-{number}") for number in range(3)]
    assert [run.id for run in tracking.runs(ws, 2).runs] == ids[:0:-1]
    with pytest.raises(UsageError, match="limit 0 lists nothing"):
        tracking.runs(ws, 0)


def test_a_run_is_found_by_id_prefix_name_and_last(ws):
    first, twin, last = start(ws, "a"), start(ws, "twin"), start(ws, "twin")
    assert tracking.get(ws, first).id == tracking.get(ws, first[:8]).id == tracking.get(ws, "a").id == first
    assert tracking.get(ws, "twin").id == tracking.get(ws, "last").id == last != twin


def test_a_prefix_of_several_runs_is_ambiguous_and_lists_them(ws):
    ids = [start(ws, f"z-{number}") for number in range(17)]
    shared = next(c for c in "0123456789abcdef" if sum(i.startswith(c) for i in ids) > 1)
    with pytest.raises(AmbiguousError, match=f"'{shared}' fits more than one run: z-"):
        tracking.get(ws, shared)


@pytest.mark.parametrize("ref", ["nope", "a' OR '1'='1", "../x", "", "%"])
def test_a_run_that_does_not_exist_is_refused_with_those_that_do(ws, ref):
    start(ws, "here")
    with pytest.raises(NotFoundError, match=r"no run is called .*; expected one of here \("):
        tracking.get(ws, ref)


def test_a_run_whose_process_died_reads_as_failed_with_its_last_words_and_is_written_so(ws):
    run_id = start(ws)
    (ws.run(run_id) / "log").write_text("epoch 3\nout of cheese\n\n")
    process = python("import time; time.sleep(60)")
    tracking.mark_process(ws, run_id, processes.identify(process.pid))
    assert tracking.get(ws, run_id).status == "running"
    process.kill()
    process.wait()
    run = tracking.get(ws, run_id)
    assert run.status == "failed"
    assert run.cause == f"its process {process.pid} ended without a word; the log ends with: out of cheese"
    assert run.ended is not None
    (ws.run(run_id) / "process.json").unlink()
    assert tracking.get(ws, run_id).cause == run.cause


def test_a_process_with_the_same_number_started_later_is_another_one(ws):
    run_id = start(ws)
    path = ws.run(run_id) / "process.json"
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, "started": body["started"] - 3600}))
    assert tracking.get(ws, run_id).status == "failed"


def test_an_ending_that_was_not_sent_yet_is_told_all_the_same(ws):
    run_id = start(ws)
    tracking.finish_run(ws, run_id, "stopped", "killed", send=False)
    assert tracking.recorded(ws, run_id).status == "stopped"
    run = tracking.get(ws, run_id)
    assert (run.status, run.cause) == ("stopped", "killed")


def test_what_is_sent_twice_is_kept_once(ws):
    run_id = start(ws)
    tracking.log_metrics(ws, run_id, [Metric("loss", 1.0, step, 5.0) for step in range(3)])
    (ws.run(run_id) / "spool.sent").write_text("0")
    assert tracking.flush(ws, run_id)
    connection = sqlite3.connect(ws.mlflow_db)
    assert connection.execute("SELECT count(*) FROM metrics WHERE run_uuid = ?", (run_id,)).fetchone() == (3,)
    connection.close()


def test_deleting_a_run_removes_its_entry_its_files_and_its_folder(ws):
    run_id = start(ws)
    (ws.run(run_id) / "f").write_text("x")
    tracking.log_files(ws, run_id, [ws.run(run_id) / "f"])
    with pytest.raises(ConflictError, match=r"run cnn-1 is running; next: lepton stop"):
        tracking.delete(ws, run_id)
    assert ws.run(run_id).exists()
    tracking.finish_run(ws, run_id, "finished")
    assert tracking.delete(ws, "last").id == run_id
    assert tracking.runs(ws).runs == ()
    assert not ws.run(run_id).exists()
    assert not (ws.artifacts / run_id).exists()


def test_a_run_that_was_not_started_here_takes_no_metrics(ws):
    with pytest.raises(NotFoundError, match="was not started in"):
        tracking.log_metrics(ws, "0" * 32, [Metric("a", 1.0, 0, 0.0)])
    with pytest.raises(UsageError, match=r"run id '\.\./x' is not allowed"):
        tracking.log_metrics(ws, "../x", [Metric("a", 1.0, 0, 0.0)])


def test_a_store_that_is_a_folder_is_refused_with_the_next_step(ws, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    with pytest.raises(TrackingError, match="check MLFLOW_TRACKING_URI"):
        start(ws)


def test_another_sqlite_file_can_be_named(ws, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere/my.db")
    run_id = start(ws)
    assert tracking.get(ws, "last").id == run_id
    assert (tmp_path / "elsewhere/my.db").exists()
    assert not ws.mlflow_db.exists()


def test_the_users_own_mlflow_settings_are_left_as_they_were(ws):
    before = dict(os.environ)
    start(ws)
    changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
    assert changed <= {"MLFLOW_DISABLE_TELEMETRY"}


def test_a_password_in_the_address_is_never_shown():
    assert address.shown("http://ada:s3cret@host:5000/x?key=1") == "http://host:5000/x"


def test_this_process_is_the_runs_process_until_another_is_named(ws):
    assert tracking.process_of(ws, start(ws)).pid == psutil.Process().pid


@pytest.mark.parametrize(("line", "message"), [('{"format": 2}', "line of format 2; .*upgrade"), ("{", "not readable")])
def test_what_a_newer_version_spooled_is_refused_and_does_not_hide_the_other_runs(ws, line, message):
    kept, other = start(ws, "kept"), start(ws, "other")
    path = ws.run(kept) / "spool.jsonl"
    path.write_text('{"format": 0, "kind": "tags", "tags": {"a": "b"}}\n')
    assert tracking.get(ws, kept).tags["a"] == "b"
    with path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(FormatError, match=message):
        tracking.flush(ws, kept)
    assert other in [run.id for run in tracking.runs(ws).runs]
