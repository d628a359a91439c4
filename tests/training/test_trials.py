"""What a trial comes to by the events of its run, and what becomes of it in its study."""

import errno
import importlib
import math
from types import SimpleNamespace

import pytest
from searched import FIRST, FIT, late

from lepton_nb.data.prepared import given
from lepton_nb.processes import identify
from lepton_nb.records import Epoch, Finished, Progress, Resumed, Started, Trial
from lepton_nb.training import Method
from lepton_nb.training.events import EventLog
from lepton_nb.training.trainer import feeding
from lepton_nb.training.trainer.ranks import ALONE
from lepton_nb.training.trainer.rows import ROWS
from lepton_nb.training.tuning.attempt import Attempt
from lepton_nb.training.tuning.ledger import Ledger
from lepton_nb.training.tuning.methods import check_methods
from lepton_nb.training.tuning.place import DATABASE, PREPARED, place_of
from lepton_nb.training.tuning.search import Storage
from lepton_nb.training.tuning.settings import Settings
from lepton_nb.training.tuning.starting import _planned
from lepton_nb.training.tuning.tuner import _Tuner


def tuner_of(ws, table, name, space="lr=log(1e-3,1e-1)", **method):
    """The tuner of a study that was written down, before its first trial."""
    place = place_of(ws, name)
    place.folder.mkdir(mode=0o700, parents=True)
    plan, asked = _planned("mlp", table, FIT, space, Method(**method), Settings(FIT), ())
    asked.write(ws, place.folder)
    tuner = _Tuner(ws, place, plan)
    assert tuner._restore() == []
    return tuner


def attempt_of(ws, tuner, number, *events):
    """A trial whose run has told these events."""
    run = f"{tuner._place.folder.name}{number}"
    ws.run(run).mkdir(mode=0o700, parents=True)
    for one in events:
        EventLog(ws.run(run)).write(one)
    trial = Trial(number, "running", {"lr": 0.01}, run=run, began=100.0)
    asked = tuner._search.ask({"lr": 0.01})
    tuner._asked.space(asked)
    return Attempt(ws, tuner._plan, trial, asked, identify(), 0, tuner._search.report)


def test_a_run_that_was_stopped_alone_counts_by_what_it_has_and_fails_where_that_is_nothing(ws, table) -> None:
    tuner = tuner_of(ws, table, "alone", objectives=["val_loss"])
    stopped = Finished(9.0, "stopped")
    for number, values in enumerate(([], [math.nan], [0.5])):
        epochs = [Epoch(2.0, 0, 1, {"val_loss": value}, True) for value in values]
        one = attempt_of(ws, tuner, number, Started(1.0, "", 1), *epochs, stopped)
        assert one.step()
        assert one.trial.status == "stopped"
        tuner._over(one)
    assert [one.status for one in tuner._ledger.trials] == ["failed", "failed", "finished"]
    assert [one.cause for one in tuner._ledger.trials] == ["no value of val_loss", "val_loss is not finite", ""]
    kept = Storage(tuner._plan, tuner._place.folder / DATABASE).news()
    assert [(one.state.name, one.values) for one in kept] == [("FAIL", None), ("FAIL", None), ("COMPLETE", [0.5])]


def test_rows_are_prepared_once_for_all_trials_and_none_is_told_of_rows_that_could_not_be(ws, table, monkeypatch):
    tuner = tuner_of(ws, table, "shared")
    tuner._shares.prepare(table)
    folder = tuner._place.folder / PREPARED
    assert tuner._shares.variables(0)[ROWS] == str(folder.absolute())
    assert given(table, "train", folder) is not None
    alone = tuner_of(ws, table, "full")
    monkeypatch.setattr("lepton_nb.data.prepared.np.save", full)
    alone._shares.prepare(table)
    assert ROWS not in alone._shares.variables(0)
    assert not (alone._place.folder / PREPARED).exists(), "a full disk is left full"


def test_a_trainer_takes_the_rows_that_it_is_told_of(ws, table, monkeypatch):
    tuner = tuner_of(ws, table, "told")
    tuner._shares.prepare(table)
    monkeypatch.setenv(ROWS, tuner._shares.variables(0)[ROWS])
    monkeypatch.setattr("lepton_nb.data.batches.features", full)
    job = SimpleNamespace(fit=FIT)
    assert len(next(iter(feeding._rows(job, table, ALONE).train_dataloader()))[0]) == FIT.batch_size
    monkeypatch.delenv(ROWS)
    with pytest.raises(OSError, match="No space left"):
        next(iter(feeding._rows(job, table, ALONE).train_dataloader()))


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_one_of_several_objectives_without_a_value_is_no_zero(ws, table) -> None:
    tuner = tuner_of(ws, table, "several", objectives=["val_loss", "latency_ms"])
    epoch = Epoch(2.0, 0, 1, {"val_loss": 0.5}, True)
    one = attempt_of(ws, tuner, 0, Started(1.0, "", 1), epoch, Finished(9.0, "stopped"))
    assert one.step()
    tuner._over(one)
    assert (one.trial.status, one.trial.cause) == ("failed", "no value of latency_ms")


def test_the_seconds_of_a_trial_are_those_of_all_its_parts(ws, table) -> None:
    tuner = tuner_of(ws, table, "parts")
    killed = (Started(1.0, "", 9), Progress(11.0, 3, 9))
    again = (Resumed(1000.0), Started(1001.0, "", 9), Epoch(1004.0, 0, 9, {"val_loss": 0.5}, True))
    one = attempt_of(ws, tuner, 0, *killed, *again, Finished(1006.0))
    assert one.step()
    assert one._trained() == 10 + 5


def test_a_function_of_the_notebook_that_fails_once_costs_one_trial(ws, table) -> None:
    tuner = tuner_of(ws, table, "late", late)
    assert tuner._search.ask().number == FIRST
    tuner._begin(0, None, None)
    (trial,) = tuner._ledger.trials
    assert trial.status == "failed"
    assert trial.cause == "the space's function failed; got ZeroDivisionError: too late"
    assert list(trial.params) == ["lr"]
    assert tuner._left() == tuner._plan.trials - 1


def test_in_a_shared_storage_a_trial_counts_once_and_that_of_another_machine_too(ws, table, tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    here, there = (tuner_of(ws, table, name, late, storage=url) for name in ("here", "there"))
    for tuner in (here, there):
        tuner._search.ask()
        tuner._begin(0, None, None)
        tuner._learn()
    here._learn()
    assert [one.number for one in there._ledger.trials] == [one.number for one in here._ledger.trials] == [0, 1]


def test_a_trial_that_goes_on_keeps_its_number_and_that_of_another_machine_gets_one(ws, table, tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'both.db'}"
    there = tuner_of(ws, table, "far", objectives=["val_loss"], storage=url)
    epoch = Epoch(2.0, 0, 1, {"val_loss": 0.5}, True)
    one = attempt_of(ws, there, 0, Started(1.0, "", 1), epoch, Finished(9.0))
    assert one.step()
    there._over(one)
    place = place_of(ws, "near")
    place.folder.mkdir(mode=0o700)
    mine = Trial(0, "running", {"lr": 0.02}, run="mine", began=7.0)
    place.save([mine], {}, sync=False)
    ledger = Ledger(place)
    assert ledger.restore(Storage(there._plan, place.folder / DATABASE).news()) == [mine]
    assert [(one.number, one.run, one.status) for one in ledger.trials] == [
        (0, "mine", "running"),
        (1, one.trial.run, "finished"),
    ]


def test_ray_tune_stops_early_by_the_pruner_that_was_named() -> None:
    schedulers = importlib.import_module("ray.tune.schedulers")
    scheduler_of = importlib.import_module("lepton_nb.training.tuning.ray_tuner").scheduler_of
    made = {name: scheduler_of(name, "value", "min", 15) for name in ("none", "median", "halving", "hyperband")}
    assert type(made["none"]) is schedulers.FIFOScheduler
    assert type(made["median"]) is schedulers.MedianStoppingRule
    assert {type(made[name]) for name in ("halving", "hyperband")} == {schedulers.ASHAScheduler}
    assert [len(made[name]._brackets) for name in ("halving", "hyperband")] == [1, 3]
    # The usual one is named as what it is.
    assert check_methods("tpe", None, 1, "ray") == "halving"
    assert check_methods("tpe", None, 2, "ray") == "none"
