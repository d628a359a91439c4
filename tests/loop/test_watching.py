"""A watch as a process: begun, shown, refused twice, ended and begun again; and the verb that does so."""

import json
import os
import signal
import time

import pytest
from tiny import UP, Tiny, bento, makes, pipeline

import lepton_nb
from lepton_nb import loop, monitoring, processes, serving
from lepton_nb.errors import ConflictError, FormatError, NotFoundError, RuleError, ServingError, UsageError
from lepton_nb.loop.place import place_of
from lepton_nb.loop.watcher import watch as watch_here

pytestmark = pytest.mark.timeout(600)
# A look every ten minutes: what is told here is told without one.
QUICK = {"when": "decaying", "window": 100, "labels": 300}


@pytest.fixture
def tiny(ws):
    return Tiny(ws)


def until(holds, seconds: float = 500.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_watch_is_a_process_of_its_own_that_is_there_once_and_goes_on(ws, tiny, tmp_path, capsys):
    path = pipeline(tmp_path / "p", makes("tiny:v1"))
    begun = lepton_nb.watch("tiny", pipeline=path, detach=True, **QUICK)
    assert (str(begun), begun.status, begun.stage) == ("watch-tiny", "running", "watching")
    assert os.getsid(begun.pid) == begun.pid != os.getpid()
    until(lambda: loop.status(ws, "tiny").decisions)
    with pytest.raises(ConflictError, match="'tiny' is watched already, by process"):
        lepton_nb.watch("tiny", pipeline=path, detach=True, **QUICK)
    # One that is started without asking whether there is one already is refused by the lock.
    with pytest.raises(ConflictError, match="is watched by another process"):
        watch_here(ws, "tiny")
    shown = lepton_nb.watch("tiny", status=True)
    assert "began" in shown.as_text()
    assert "tiny:v1 answers" in shown.as_text()
    assert [one.deployment for one in lepton_nb.watch(status=True).watches] == ["tiny"]
    assert shown.to_json()["decisions"][0]["action"] == "began"
    ended = lepton_nb.stop("watch-tiny")
    assert (ended.status, ended.deployment) == ("stopped", "tiny")
    assert not processes.is_alive(processes.Identity(begun.pid, time.time()))
    again = lepton_nb.watch("tiny", pipeline=path, detach=True, **QUICK)
    assert [one.action for one in again.decisions] == ["began"]
    os.kill(again.pid, signal.SIGKILL)
    until(lambda: loop.status(ws, "tiny").status == "failed")
    assert f"its process {again.pid} has ended" in loop.status(ws, "tiny").trouble


def test_a_watch_lives_through_what_it_meets_and_says_so(ws, tiny, tmp_path):
    path = pipeline(tmp_path / "p", makes("tiny:v1"))
    serving.stop(ws, "tiny")
    begun = lepton_nb.watch("tiny", pipeline=path, detach=True, **QUICK)
    until(lambda: "deployment 'tiny' is stopped" in loop.status(ws, "tiny").trouble)
    assert loop.status(ws, "tiny").pid == begun.pid
    serving.serve(ws, bento(ws, "again:v1", UP), name="tiny")
    until(lambda: loop.status(ws, "tiny").decisions)
    until(lambda: not loop.status(ws, "tiny").trouble.startswith("deployment"))


@pytest.mark.parametrize(
    ("words", "fault", "told"),
    [
        ({"when": "drifting or"}, RuleError, "column"),
        ({"when": "qualty < 0.9"}, UsageError, "did you mean 'quality'"),
        ({"auto": True, "ask": True}, UsageError, "--auto and --ask exclude each other"),
        ({"status": True, "approve": True}, UsageError, "--status and --approve exclude"),
        ({"approve": True}, NotFoundError, "is not watched"),
        ({"every": "soon"}, UsageError, "is not understood"),
        ({"window": 3}, UsageError, "window 3 is too few rows"),
        ({"canary": "200%"}, UsageError, "is no share"),
        ({"pipeline": "nowhere.yml"}, NotFoundError, "nowhere.yml does not exist"),
        ({"gate": "nowhere.yml"}, NotFoundError, "nowhere.yml does not exist"),
    ],
)
def test_what_cannot_be_is_refused_and_starts_nothing(ws, logged, words, fault, told, monkeypatch):
    deployed = logged()
    deployed.record()
    monkeypatch.setenv("LEPTON_HOME", str(deployed.ws.home))
    with pytest.raises(fault, match=told):
        lepton_nb.watch("demo", **words)
    assert loop.watches(deployed.ws).watches == ()
    (deployed.folder / "deployment.json").unlink()


def test_a_model_that_tells_no_class_or_has_private_columns_is_watched_for_alerts_alone(ws, logged, tmp_path):
    deployed = logged()
    deployed.record(log_inputs="hash:city")
    path = str(pipeline(tmp_path / "p", makes("tiny:v1")))
    with pytest.raises(UsageError, match=r"column 'city' of 'demo' is not .*got --log-inputs hash:city.*without --pip"):
        loop.start(deployed.ws, "demo", pipeline=path)
    deployed.record()
    file = deployed.model / "signature.json"
    outputs = [{"name": "y", "dtype": "float32"}]
    file.write_text(json.dumps({**json.loads(file.read_text()), "task": "regression", "outputs": outputs}))
    with pytest.raises(UsageError, match=r"demo:v1 cannot be retrained by a watch: it tells no class .*without --pipe"):
        loop.start(deployed.ws, "demo", pipeline=path)
    assert loop.watches(deployed.ws).watches == ()
    (deployed.folder / "deployment.json").unlink()


def test_what_is_refused_leaves_the_alerts_as_they_were(ws, logged, tmp_path, monkeypatch):
    deployed = logged()
    deployed.record()
    monkeypatch.setenv("LEPTON_HOME", str(deployed.ws.home))
    (tmp_path / "new.yml").write_text("alerts: {busy: requests > 0}\n")
    with pytest.raises(NotFoundError, match=r"missing\.yml does not exist"):
        lepton_nb.watch("demo", pipeline="missing.yml", alerts=tmp_path / "new.yml")
    assert monitoring.alerts(deployed.ws, "demo") == ()
    (deployed.folder / "deployment.json").unlink()


def test_a_pipeline_that_cannot_be_given_rows_is_refused(ws, logged, tmp_path):
    deployed = logged()
    deployed.record()
    path = pipeline(tmp_path / "p", makes("tiny:v1"))
    path.write_text(path.read_text().replace("data: null, ", "").replace('data: "{data}", ', ""))
    with pytest.raises(UsageError, match="takes no parameter 'data'"):
        loop.start(deployed.ws, "demo", pipeline=str(path))
    (deployed.folder / "deployment.json").unlink()


def test_what_a_kill_left_half_written_is_made_whole(ws):
    place = place_of(ws, "tiny")
    place.folder.mkdir(parents=True)
    state = place.decide(place.state(), "began", "watching", "one")
    state = place.decide(state, "triggered", "collecting", "two", {"quality": float("nan")}, cycle=1)
    lines = (place.folder / "decisions.jsonl").read_bytes()
    (place.folder / "decisions.jsonl").write_bytes(lines[:-30])
    assert [one.action for one in place.decisions()] == ["began"]
    assert place.mend() == state
    assert [one.action for one in place.decisions()] == ["began", "triggered"]
    assert place.decisions()[1].numbers == {"quality": None}
    body = json.loads((place.folder / "state.json").read_text())
    (place.folder / "state.json").write_text(json.dumps({**body, "format": 99}))
    with pytest.raises(FormatError, match="has format 99"):
        place.state()


def test_a_watch_that_cannot_start_says_why(ws, tiny, tmp_path, monkeypatch):
    def started(module, argv, *, start_template, **how):
        return processes.start(["false"], **how)

    monkeypatch.setattr(loop.starting.kernels, "start_detached", started)
    with pytest.raises(ServingError, match="the watch of 'tiny' did not start"):
        loop.start(ws, "tiny")
