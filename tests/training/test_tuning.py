"""A study: trials that are runs, in a process of its own that may be stopped, killed and gone on with."""

import json
import os
import signal
import sqlite3
import stat
import threading
import time

import psutil
import pytest
from searched import FIT, SPACE, Tried, tune

from lepton_nb import tracking, training
from lepton_nb.errors import ConflictError, NotFoundError, TrainingError
from lepton_nb.records import Drawing, Finished, Progress, Started
from lepton_nb.training.tuning.place import PREPARED, place_of
from lepton_nb.training.tuning.plan import Plan


@pytest.fixture(scope="module")
def found(ws, table):
    """A study of four trials, two at a time, and what it told."""
    told = []
    return tune(ws, "mlp", table, FIT, SPACE, trials=4, jobs=2, report=told.append), told


def wait_for(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return answer


def test_each_trial_is_a_run_of_the_study_in_a_process_of_its_own(ws, found) -> None:
    study, _ = found
    assert (study.status, len(study.trials), study.wanted) == ("finished", 4, 4)
    # Rows that the trials shared go with the last one.
    assert not (place_of(ws, study.name).folder / PREPARED).exists()
    runs = [tracking.get(ws, one.run) for one in study.trials]
    assert [run.name for run in runs] == [f"{study.name}-{number}" for number in range(4)]
    assert {(run.status, run.tags["study"]) for run in runs} <= {("finished", study.name), ("stopped", study.name)}
    assert [run.tags["trial"] for run in runs] == list("0123")
    pids = {tracking.process_of(ws, run.id).pid for run in runs}
    assert len(pids) == 4
    assert os.getpid() not in pids
    # What the training was asked for is what was tried.
    assert [float(run.params["lr"]) for run in runs] == [pytest.approx(one.params["lr"]) for one in study.trials]
    assert [int(run.params["net.hidden"]) for run in runs] == [one.params["hidden"] for one in study.trials]
    assert all(1e-3 <= one.params["lr"] <= 1e-1 and one.params["hidden"] in (4, 8, 16) for one in study.trials)


def test_the_value_of_a_trial_is_that_of_the_epoch_whose_weights_are_kept(ws, found) -> None:
    study, _ = found
    for one in study.trials:
        if one.complete:
            losses = tracking.get(ws, one.run).metrics()["val_loss"].dropna()
            assert one.values[0] == pytest.approx(min(losses), rel=1e-4)
    assert study.best.values[0] == min(one.values[0] for one in study.trials if one.complete)
    assert study.run == study.best.run


def test_the_best_run_is_registered_and_named_with_the_next_command(ws, found) -> None:
    from mlflow.tracking import MlflowClient

    study, _ = found
    client = MlflowClient(tracking_uri=tracking.uri(ws), registry_uri=tracking.uri(ws))
    assert client.get_model_version_by_alias(study.name, "best").run_id == study.run
    assert study.registered == f"{study.name}@best"
    assert f"registered as {study.name}@best; next: lepton evaluate {study.run[:8]}" in study.as_text()


def test_a_study_tells_a_line_per_trial_and_leaves_a_small_picture(found) -> None:
    study, told = found
    kinds = [type(event) for event in told]
    assert (kinds[0], kinds[-1], kinds.count(Progress)) == (Started, Finished, 4)
    assert told[0].title == f"study {study.name}"
    assert all("lr=" in one.text and "hidden=" in one.text for one in told if isinstance(one, Progress))
    last = [one for one in told if isinstance(one, Drawing)][-1]
    assert last.svg == study.picture()
    assert "hidden" in last.svg
    assert len(json.dumps(study._repr_mimebundle_())) < 200_000
    body = study.to_json()
    assert json.loads(json.dumps(body)) == body
    assert (body["run"], len(body["trials"]), "draw" in body) == (study.run, 4, False)
    assert str(study) == study.name


def test_what_was_tried_rests_in_a_file_of_optuna_and_only_its_owner_may_look(ws, found) -> None:
    study, _ = found
    with sqlite3.connect(study.path / "study.db") as database:
        states = [row[0] for row in database.execute("select state from trials")]
    assert len(states) == 4
    assert set(states) <= {"COMPLETE", "PRUNED"}
    assert stat.S_IMODE(study.path.stat().st_mode) == 0o700
    assert json.loads((study.path / "study.json").read_text())["format"] == 1
    assert training.study_of(ws, study.name) == study
    assert training.study_of(ws, "last").name
    with pytest.raises(NotFoundError, match=f"did you mean '{study.name}'"):
        training.study_of(ws, f"{study.name}x")


def test_the_same_words_find_the_study_again_and_more_trials_go_on_with_it(ws, table, found) -> None:
    study, _ = found
    again = tune(ws, "mlp", table, FIT, SPACE, trials=4, jobs=2)
    assert (again.name, again.trials) == (study.name, study.trials)
    with pytest.raises(ConflictError, match="has its 4 trials"):
        training.resume_study(ws, study.name)
    more = tune(ws, "mlp", table, FIT, SPACE, trials=5, jobs=2)
    assert more.trials[:4] == study.trials
    assert [one.number for one in more.trials] == [0, 1, 2, 3, 4]
    # A sampler that began anew would try the first settings once more.
    assert more.trials[4].params != study.trials[0].params
    with pytest.raises(ConflictError, match="is there and was asked for otherwise; got another space"):
        tune(ws, "mlp", table, FIT, "lr=log(1e-3,1)", name=study.name)


def test_a_killed_tuner_loses_no_trial_that_had_ended_and_those_under_way_go_on(ws, table) -> None:
    space = "lr=log(1e-3,1e-1) wait=[0.04]"
    begun = tune(ws, Tried, table, FIT, space, trials=4, jobs=2, pruner="none", name="killed", detach=True)
    assert begun.status == "running"
    with pytest.raises(ConflictError, match="is running"):
        training.resume_study(ws, "killed")
    wait_for(lambda: training.study_of(ws, "killed").ended)
    wait_for(lambda: sum(one.status == "running" for one in training.study_of(ws, "killed").trials) == 2)
    process, _, _ = place_of(ws, "killed").process()
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(process.pid) or place_of(ws, "killed").process()[0] is None)
    left = training.study_of(ws, "killed")
    assert left.status == "failed"
    assert "its process has ended" in left.cause
    assert f"lepton resume {left.name}" in left.as_text()
    ended = {one.number: one for one in left.ended}
    # One that was under way dies with the machine, another one goes on all the while.
    orphan = next(one for one in left.trials if one.number not in ended)
    os.kill(tracking.process_of(ws, orphan.run).pid, signal.SIGKILL)
    done = training.resume_study(ws, "killed")
    assert (done.status, [one.status for one in done.trials]) == ("finished", ["finished"] * 4)
    assert {number: done.trials[number] for number in ended} == ended
    assert [one.run for one in done.trials[: len(left.trials)]] == [one.run for one in left.trials]
    with sqlite3.connect(done.path / "study.db") as database:
        assert database.execute("select count(*) from trials").fetchone() == (4,)


def test_a_stopped_study_keeps_what_its_trials_have_and_they_go_on_with_it(ws, table) -> None:
    space = "lr=log(1e-3,1e-1) wait=[0.05]"
    told = []
    thread = threading.Timer(0, lambda: told.append(stopped(ws)))
    thread.start()
    study = tune(ws, Tried, table, FIT, space, trials=3, jobs=2, pruner="none", name="stopped")
    thread.join()
    assert study.status == "stopped"
    assert {one.status for one in study.trials} <= {"stopped", "finished"}
    assert all(tracking.get(ws, one.run).status != "running" for one in study.trials)
    assert "next: lepton resume stopped" in study.as_text()
    with pytest.raises(ConflictError, match="is not running"):
        training.stop_study(ws, "stopped")
    done = tune(ws, Tried, table, FIT, space, trials=3, jobs=2, pruner="none", name="stopped")
    assert [one.status for one in done.trials] == ["finished"] * 3
    assert [one.run for one in done.trials[: len(study.trials)]] == [one.run for one in study.trials]


def stopped(ws):
    wait_for(lambda: training.is_study(ws, "stopped") and training.study_of(ws, "stopped").trials)
    return training.stop_study(ws, "stopped")


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(ws, table) -> None:
    study = tune(
        ws, Tried, table, FIT, "breaks=[true,false]", trials=4, jobs=2, sampler="random", pruner="none", name="broken"
    )
    assert {one.status for one in study.trials} == {"finished", "failed"}
    failed = next(one for one in study.trials if one.status == "failed")
    assert failed.cause == "RuntimeError: broken <b>on purpose</b>"
    assert tracking.get(ws, failed.run).status == "failed"
    assert study.best.params["breaks"] is False
    assert "<b>" not in study._repr_mimebundle_()["text/html"].replace("<p><b>", "")


def test_when_all_trials_fail_the_first_cause_is_told(ws, table) -> None:
    with pytest.raises(TrainingError, match=r"all 2 trials of study lost failed; got trial \d: RuntimeError: broken"):
        tune(ws, Tried, table, FIT, "breaks=[true]", trials=2, jobs=2, name="lost")
    with pytest.raises(TrainingError, match=r"cannot go on; got objective 'val_los' is not measured.*val_loss"):
        tune(ws, Tried, table, FIT, "lr=log(1e-3,1)", objectives=["val_los:min"], trials=3, name="unheard")


def test_a_plan_is_another_one_by_what_is_tried_and_not_by_how_many(ws, found) -> None:
    plan = Plan.read(found[0].path)
    same = Plan(**{**vars(plan), "trials": 99, "jobs": 7, "storage": "sqlite:///x", "name": "other"})
    other = Plan(**{**vars(plan), "seed": 1})
    assert plan.fingerprint() == same.fingerprint() != other.fingerprint()


def test_a_study_is_deleted_with_its_runs_and_nothing_else(ws, table, found) -> None:
    study = tune(ws, "mlp", table, FIT, "lr=[0.01]", trials=1, name="gone")
    training.delete_study(ws, "gone")
    assert not study.path.exists()
    assert not ws.run(study.run).exists()
    assert found[0].path.is_dir()
    with pytest.raises(NotFoundError):
        tracking.get(ws, study.run)
    # What is left of the name does not stand in the way of another study.
    assert tune(ws, "mlp", table, FIT, "lr=[0.02]", trials=1, name="gone").registered == "gone@best"


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_ray_tune_makes_the_same_study_on_a_cluster_of_its_own(ws, table) -> None:
    study = tune(ws, "mlp", table, FIT, SPACE, trials=4, jobs=2, on="ray", name="rayed")
    assert (study.status, len(study.trials)) == ("finished", 4)
    assert {one.status for one in study.trials} <= {"finished", "pruned"}
    for one in study.trials:
        run = tracking.get(ws, one.run)
        assert (run.tags["study"], run.tags["trial"]) == ("rayed", str(one.number))
        assert run.status == ("stopped" if one.status == "pruned" else "finished")
        if one.status == "finished":
            assert one.values[0] == pytest.approx(min(run.metrics()["val_loss"].dropna()), rel=1e-4)
    assert study.registered == "rayed@best"
    more = tune(ws, "mlp", table, FIT, SPACE, trials=5, jobs=2, on="ray", name="rayed")
    assert more.trials[:4] == study.trials
    assert len(more.trials) == 5
