"""A deployment on another machine is on the pages here, and watched for its alerts."""

from __future__ import annotations

import re
import threading
import time

import pytest
from far import copy

import lepton_nb
from lepton_nb.errors import LeptonError, UsageError
from lepton_nb.monitoring import adopt, as_counted, observe


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


def _everything(root) -> dict[str, bytes | None]:
    found = sorted(root.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def test_a_watch_of_it_that_is_refused_leaves_nothing_behind(logged, here, place, tmp_path, monkeypatch):
    one = logged()
    one.answer(one.rows(30))
    copy(one, place)
    monkeypatch.setenv("LEPTON_HOME", str(here.home))
    (alerts := tmp_path / "alerts.yml").write_text("alerts: {odd: psi(height) > 0.2}\n")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    before = _everything(tmp_path)
    for words, expected in (
        ({"when": "quality <"}, "quality <"),
        ({"when": "happiness < 0.9"}, "--when asks for 'happiness', which nobody tells"),
        ({"when": "psii(age) > 0.2"}, "'psii' is no function"),
        ({"alerts": alerts}, "'height' is not known"),
        ({"window": 3}, "window 3 is too few rows"),
        ({"pipeline": tmp_path / "none.yml"}, "runs elsewhere"),
    ):
        with pytest.raises(LeptonError, match=re.escape(expected)):
            lepton_nb.watch("far", log_url=place, **words)
        assert _everything(tmp_path) == before


def test_a_watch_of_it_delivers_its_alerts(logged, here, tmp_path):
    from lepton_nb import loop, monitoring

    one = logged()
    one.answer(one.rows(30))
    url = f"file://{tmp_path / 'bucket'}"
    copy(one, url)
    (alerts := tmp_path / "any.yml").write_text("alerts: {any: requests > 0}\ndeliver: {record: {file: told.jsonl}}\n")
    # What its models take is known before it is adopted.
    begun = loop.start(here, "far", alerts=alerts, log_url=url, when="psi(age) > 0.2", every=1.0)
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
