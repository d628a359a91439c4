"""A deployment on another machine is watched by what it copies to its log's place."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from pathlib import Path

import fsspec
import pytest

import lepton_nb
from lepton_nb.errors import ConflictError, NotFoundError, StorageError, UsageError
from lepton_nb.monitoring import adopt, as_counted, health, observe, predictions
from lepton_nb.runtime import CHAMPION, read_slots
from lepton_nb.runtime.predlog import PredictionLog
from lepton_nb.runtime.sealing import tend
from lepton_nb.runtime.settings import Settings
from lepton_nb.workspace import Workspace, locked


@pytest.fixture(params=["file", "memory"])
def place(request, tmp_path):
    """A URL that two machines reach."""
    if request.param == "file":
        yield f"file://{tmp_path / 'bucket'}"
        return
    url = f"memory://{tmp_path.name}"
    yield url
    files, base = fsspec.core.url_to_fs(url)
    files.rm(base, recursive=True)


@pytest.fixture
def here(tmp_path):
    return Workspace(tmp_path / "here" / ".lepton")


def copy(one, url: str) -> None:
    """What the server does every half a minute."""
    one.log.close()
    slots = read_slots(one.folder / "slots.json")
    settings = Settings(slots[CHAMPION], log_dir=one.folder, log_url=url, slots=one.folder / "slots.json")
    tend(settings, set(one.log.closed))
    one.log = PredictionLog(one.folder)


def test_counts_and_drift_are_those_of_the_machine_that_serves(logged, here, place):
    one = logged()
    one.answer(one.rows(300, seed=1, shift=15))
    one.fail()
    copy(one, place)
    adopt(here, "far", place)
    found, there = health(here, "far"), health(one.ws, one.name)
    assert (found.verdict, found.drift.rows) == ("drifting", 300)
    assert found.drift == there.drift
    assert observe(here, "far").since(None).to_dict() == observe(one.ws, one.name).since(None).to_dict()
    rows = [row for batch in predictions(here, "far") for row in batch.to_pylist()]
    assert rows == [row for batch in predictions(one.ws, one.name) for row in batch.to_pylist()]


def test_each_segment_is_counted_once_however_often_it_is_looked_for(logged, here, place):
    one = logged()
    for number in range(3):
        one.answer(one.rows(10, seed=number))
        copy(one, place)
        if not number:
            adopt(here, "far", place)
        assert [observe(here, "far").since(None).rows for _ in range(2)] == [10 * (number + 1)] * 2
        assert not list((here.deployment("far")).glob("*log-*"))
    assert sum(batch.num_rows for batch in predictions(here, "far")) == 30
    adopt(here, "far", place)


def test_windows_that_are_lost_are_counted_again_once_whoever_comes(logged, here, tmp_path, monkeypatch):
    from lepton_nb.monitoring import elsewhere

    one, url = logged(), f"file://{tmp_path / 'bucket'}"
    for number in range(3):
        one.answer(one.rows(10, seed=number))
        copy(one, url)
    adopt(here, "far", url)
    before, folder = observe(here, "far").since(None), here.deployment("far")
    assert before.rows == 30
    shutil.rmtree(folder / "windows")
    # Somebody else is at it for longer than anybody waits.
    with monkeypatch.context() as patch, locked(folder / ".fetching", timeout=0):
        patch.setattr(elsewhere, "_PATIENCE_S", 0.0)
        assert observe(here, "far").since(None).rows == 30
    assert [observe(here, "far").since(None).rows for _ in range(2)] == [30, 30]
    assert observe(here, "far").since(None).to_dict()["models"] == before.to_dict()["models"]
    # One alone finds what it has already, too.
    shutil.rmtree(folder / "windows")
    assert [observe(here, "far").since(None).rows for _ in range(2)] == [30, 30]
    # Nor is it brought again when what was sealed of it is gone.
    shutil.rmtree(folder / "sealed")
    assert observe(here, "far").since(None).rows == 30


def test_who_comes_second_waits_while_windows_are_lost(logged, here, tmp_path):
    one, url = logged(), f"file://{tmp_path / 'bucket'}"
    one.answer(one.rows(10))
    copy(one, url)
    adopt(here, "far", url)
    observe(here, "far")
    folder, found = here.deployment("far"), []
    second = threading.Thread(target=lambda: found.append(observe(here, "far").since(None).rows), daemon=True)
    with locked(folder / ".fetching", timeout=0):
        assert observe(here, "far").since(None).rows == 10
        shutil.rmtree(folder / "windows")
        second.start()
        second.join(0.3)
        assert not (folder / "windows" / "index.json").exists()
    second.join(60)
    assert found == [10]


def test_a_new_champion_is_followed(logged, here, place):
    one = logged()
    one.answer(one.rows(150))
    copy(one, place)
    adopt(here, "far", place)
    observe(here, "far")
    one.promote("demo:v2")
    one.answer(one.rows(200, shift=15))
    copy(one, place)
    found = health(here, "far")
    assert (found.verdict, found.drift.rows, found.traffic.predictions) == ("drifting", 200, 350)
    assert (here.deployment("far") / "models" / "demo" / "v2" / "reference.json").is_file()


def test_without_models_beside_the_segments_the_store_of_this_workspace_is_looked_at(logged, here, tmp_path):
    one = logged()
    bucket = tmp_path / "bucket"
    one.answer(one.rows(150))
    copy(one, f"file://{bucket}")
    shutil.rmtree(bucket / "models")
    store = here.bentoml / "bentos" / "demo" / "v1" / "src"
    store.mkdir(parents=True)
    shutil.copytree(one.model, store / "model")
    adopt(here, "far", f"file://{bucket}")
    assert health(here, "far").drift.verdict == "ordinary"


def test_a_fetch_that_is_cut_off_leaves_nothing_half(logged, here, tmp_path, monkeypatch):
    from lepton_nb.monitoring import elsewhere

    one, url = logged(), f"file://{tmp_path / 'bucket'}"
    one.answer(one.rows(20))
    copy(one, url)
    adopt(here, "far", url)
    files = type(fsspec.core.url_to_fs(url)[0])
    plain = files.get_file

    def cut(self, source, target, **given):
        plain(self, source, target, **given)
        content = Path(target).read_bytes()
        Path(target).write_bytes(content[: len(content) // 2])
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(files, "get_file", cut)
        with pytest.raises(StorageError, match=r"file://\.\.\. cannot be read"):
            observe(here, "far")
    assert not list(here.deployment("far").glob(".fetch-*"))
    assert observe(here, "far").since(None).rows == 20
    assert elsewhere.ELSEWHERE == "elsewhere.json"


def test_places_and_names_that_cannot_be_used_are_refused(logged, here, tmp_path):
    one = logged()
    with pytest.raises(StorageError, match="there is nothing at"):
        adopt(here, "far", f"file://{tmp_path / 'nowhere'}")
    with pytest.raises(UsageError, match=r"nosuch://\.\.\. cannot be used"):
        adopt(here, "far", "nosuch://user:secret@place")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one.record()
    with pytest.raises(ConflictError, match="runs on this machine"):
        adopt(one.ws, one.name, f"file://{tmp_path / 'a'}")
    adopt(here, "far", f"file://{tmp_path / 'a'}")
    with pytest.raises(ConflictError, match="at another place"):
        adopt(here, "far", f"file://{tmp_path / 'b'}")
    assert (here.deployment("far") / "elsewhere.json").stat().st_mode & 0o777 == 0o600
    assert health(here, "far").traffic.predictions == 0


def test_names_there_do_not_lead_out_of_the_folder_here(logged, here, tmp_path):
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    (bucket / "slots.json").write_text(json.dumps({"format": 1, "slots": {"champion": {"bento": "../..:evil"}}}))
    adopt(here, "far", f"file://{bucket}")
    with pytest.raises(Exception, match="name a version"):
        observe(here, "far")


def test_the_verb_is_told_the_place_once(logged, here, tmp_path, monkeypatch):
    monkeypatch.setenv("LEPTON_HOME", str(here.home))
    one, url = logged(), f"file://{tmp_path / 'bucket'}"
    one.answer(one.rows(200, seed=1))
    copy(one, url)
    found = lepton_nb.monitor("far", log_url=url)
    assert (found.traffic.predictions, found.drift.verdict) == (200, "ordinary")
    one.answer(one.rows(200, seed=2, shift=15))
    copy(one, url)
    assert lepton_nb.monitor("far").verdict == "drifting"
    with pytest.raises(NotFoundError, match="no deployment"):
        lepton_nb.monitor("other")


def test_the_verb_compares_with_the_past(logged, monkeypatch):
    one = logged()
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    one.record()
    now = time.time()
    one.answer(one.rows(300, seed=1, shift=15), at=now - 2 * 86400)
    one.answer(one.rows(300, seed=2, shift=15), at=now)
    assert lepton_nb.monitor(one.name, since="1h").drift.verdict == "drifting"
    assert lepton_nb.monitor(one.name, since="1h", against="3d..1d").drift.verdict == "ordinary"
    with pytest.raises(UsageError, match="no stretch of the past"):
        lepton_nb.monitor(one.name, against="3d")
    with pytest.raises(UsageError, match="ends before it begins"):
        lepton_nb.monitor(one.name, against="1d..3d")


def test_the_pages_show_it_beside_those_of_this_machine(logged, here, place):
    from lepton_nb.dashboards.desk import Desk
    from lepton_nb.dashboards.keeper import Keeper
    from lepton_nb.dashboards.question import Question

    one = logged()
    one.answer(one.rows(300, seed=1, shift=15))
    copy(one, place)
    adopt(here, "far", place)
    Keeper(here).once()
    fleet = "".join(Desk(here).answer(Question.parse("fleet", "since=all"), whole=True).values())
    assert "far" in fleet
    assert "elsewhere" in fleet
    desk, question = Desk(here), Question.parse("deployment", "name=far&since=all")
    desk.answer(question, whole=True)
    page = "".join(desk.answer(question, whole=True).values())
    assert "far: demo:v1 at another machine" in page
    assert "moved away from the training data" in page
    assert "it is stopped" not in page
    one.answer(one.rows(150, seed=2, shift=15))
    copy(one, place)
    Keeper(here).once()
    with as_counted():
        assert observe(here, "far").since(None).rows == 450


def test_an_export_shows_what_has_come_since(logged, here, tmp_path):
    from lepton_nb.dashboards import export

    one, url = logged(), f"file://{tmp_path / 'bucket'}"
    one.answer(one.rows(20))
    copy(one, url)
    adopt(here, "far", url)
    observe(here, "far")
    one.answer(one.rows(371))
    copy(one, url)
    export(here, "deployment", tmp_path / "far.html", name="far", since="all")
    assert "391" in re.sub("<[^>]+>", " ", (tmp_path / "far.html").read_text())


def test_a_keeper_goes_on_looking_and_a_place_that_hangs_hinders_nobody(logged, here, tmp_path, monkeypatch):
    from lepton_nb import monitoring
    from lepton_nb.dashboards import keeper

    one, url = logged(), f"file://{tmp_path / 'bucket'}"
    one.answer(one.rows(20))
    copy(one, url)
    near = type(one)(here, "near")
    near.answer(near.rows(5))
    for name in ("far", "hanging"):
        adopt(here, name, url)
    free, ended, plain = threading.Event(), threading.Event(), monitoring.catch_up
    monkeypatch.setattr(
        monitoring, "catch_up", lambda ws, name: free.wait(60) if name == "hanging" else plain(ws, name)
    )
    monkeypatch.setattr(keeper, "_ELSEWHERE_S", 0.1)
    monkeypatch.setattr(keeper, "_EVERY_S", 0.05)

    def counted(name: str, rows: int) -> bool:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with as_counted():
                if observe(here, name).since(None).rows == rows:
                    return True
            time.sleep(0.02)
        return False

    running = threading.Thread(target=keeper.Keeper(here).run, args=(ended,), daemon=True)
    running.start()
    try:
        assert counted("near", 5)
        assert counted("far", 20)
        near.answer(near.rows(6))
        one.answer(one.rows(30))
        copy(one, url)
        assert counted("near", 11)
        assert counted("far", 50)
    finally:
        ended.set()
        free.set()
        running.join(60)
    near.log.close()


def test_it_is_watched_for_its_alerts_alone(logged, here, place, tmp_path, monkeypatch):
    from lepton_nb.loop.context import Context
    from lepton_nb.loop.machine import step
    from lepton_nb.loop.options import WatchOptions
    from lepton_nb.loop.place import State, place_of
    from lepton_nb.records import silent

    one = logged()
    one.answer(one.rows(30))
    copy(one, place)
    monkeypatch.setenv("LEPTON_HOME", str(here.home))
    (pipeline := tmp_path / "retrain.yml").write_text("name: retrain\n")
    with pytest.raises(UsageError, match="runs elsewhere, and what answers there cannot be changed from here"):
        lepton_nb.watch("far", pipeline=pipeline, log_url=place)
    assert not (here.home / "watches" / "far").exists()
    # It is not listed as one that is watched either.
    assert not here.deployment("far").exists()
    adopt(here, "far", place)
    with pytest.raises(UsageError, match="runs elsewhere, and what answers there cannot be changed from here"):
        lepton_nb.watch("far", pipeline=pipeline)
    kept = place_of(here, "far")
    kept.folder.mkdir(parents=True)
    ctx = Context(here, "far", WatchOptions(every=1.0), kept, silent)
    state = step(ctx, step(ctx, State()))
    assert (state.stage, state.decisions, state.last["action"]) == ("watching", 1, "began")
    assert ctx.deployment() == "far"


def test_a_watch_of_it_delivers_its_alerts(logged, here, tmp_path):
    from lepton_nb import loop, monitoring

    one = logged()
    one.answer(one.rows(30))
    url = f"file://{tmp_path / 'bucket'}"
    copy(one, url)
    adopt(here, "far", url)
    here.deployment("far").joinpath("alerts.yml").write_text(
        "alerts: {any: requests > 0}\ndeliver: {record: {file: told.jsonl}}\n"
    )
    begun = loop.start(here, "far", every=1.0)
    try:
        until = time.monotonic() + 60
        while not list(here.root.rglob("told.jsonl")) and time.monotonic() < until:
            time.sleep(0.1)
        assert [one.status for one in monitoring.alerts(here, "far")] == ["firing"]
        assert (begun.status, loop.status(here, "far").trouble) == ("running", "")
    finally:
        loop.stop(here, "far")
    assert list(here.root.rglob("told.jsonl"))


def test_a_name_that_a_server_has_taken_since_is_listed_once(logged, tmp_path):
    from lepton_nb.dashboards.facts import every

    (tmp_path / "bucket").mkdir()
    one = logged()
    adopt(one.ws, one.name, f"file://{tmp_path / 'bucket'}")
    assert [(found.name, found.status) for found in every(one.ws)] == [(one.name, "elsewhere")]
    one.record()
    assert [(found.name, found.status) for found in every(one.ws)] == [(one.name, "running")]
