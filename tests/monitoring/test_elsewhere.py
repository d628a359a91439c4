"""A deployment on another machine is watched by what it copies to its log's place."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import fsspec
import pytest
from far import copy

import lepton_nb
from lepton_nb.errors import ConflictError, NotFoundError, StorageError, UsageError
from lepton_nb.monitoring import adopt, health, observe, predictions
from lepton_nb.workspace import locked


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
