import time

import pytest

from lepton_nb import tracking
from lepton_nb.tracking.store import asking
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return Workspace(tmp_path / ".lepton")


def start(ws, name):
    return tracking.start_run(ws, name, {}, {})


def expired(ws):
    return [one.name for one in tracking.expired(ws, time.time() + 1)]


def test_a_run_that_was_deleted_in_the_store_alone_still_has_a_folder_to_remove(ws):
    run_id = start(ws, "half")
    tracking.finish_run(ws, run_id, "finished")
    with asking(tracking.uri(ws)) as client:
        client.delete_run(run_id)
    (found,) = tracking.expired(ws, time.time() + 1)
    tracking.prune(ws, found)
    assert not ws.run(run_id).exists()
    assert expired(ws) == []


def test_a_run_of_another_workspace_or_experiment_is_none_of_ours(ws, monkeypatch):
    mine, theirs = start(ws, "mine"), start(ws, "theirs")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "else")
    other = start(ws, "other")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    for run_id in (mine, theirs, other):
        tracking.finish_run(ws, run_id, "finished")
    ws.run(theirs).rename(ws.root / "elsewhere")
    assert expired(ws) == ["mine"]


def test_looking_for_aliases_says_nothing(ws, capfd):
    tracking.finish_run(ws, start(ws, "quiet"), "finished")
    capfd.readouterr()
    assert expired(ws) == ["quiet"]
    assert capfd.readouterr() == ("", "")


def test_an_end_that_the_store_was_not_told_yet_counts_and_is_not_told_by_looking(ws):
    run_id = start(ws, "told")
    tracking.finish_run(ws, run_id, "failed", "cause", send=False)
    before = {path: path.read_bytes() for path in ws.home.rglob("*") if path.is_file()}
    assert expired(ws) == ["told"]
    assert {path: path.read_bytes() for path in ws.home.rglob("*") if path.is_file()} == before


def test_a_run_of_which_nobody_knows_whether_it_lives_stays(ws):
    broken, foreign = start(ws, "broken"), start(ws, "foreign")
    (ws.run(broken) / "process.json").write_text("{")
    (ws.run(foreign) / "process.json").unlink()
    assert expired(ws) == []


def test_a_broken_folder_hides_no_other_run_and_can_go_itself(ws):
    broken, other = start(ws, "broken"), start(ws, "other")
    for run_id in (broken, other):
        tracking.finish_run(ws, run_id, "finished")
    (ws.run(broken) / "tracking.json").write_text("{")
    (ws.run(broken) / "spool.jsonl").write_text("no line of ours\n")
    found = tracking.expired(ws, time.time() + 1)
    assert sorted(one.name for one in found) == ["broken", "other"]
    for one in found:
        tracking.prune(ws, one)
    assert list(ws.runs.iterdir()) == []


def test_an_alias_of_a_logged_model_holds_the_run_that_logged_it(ws, monkeypatch):
    # MLflow looks for a logged model in the store that this names.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri(ws))
    run_id = start(ws, "logged")
    tracking.finish_run(ws, run_id, "finished")
    with asking(tracking.uri(ws)) as client:
        logged = client.create_logged_model(client.get_run(run_id).info.experiment_id, "net", source_run_id=run_id)
        client.create_registered_model("net")
        version = client.create_model_version("net", f"models:/{logged.model_id}")
        client.set_registered_model_alias("net", "champion", version.version)
    assert [one.held for one in tracking.expired(ws, time.time() + 1)] == ["model net@champion"]
