"""What a study is asked for, and how what it found is shown."""

import numpy as np
from searched import FIT, Tried, halves, tune

from lepton_nb import tracking
from lepton_nb.records import Objective, Study, Trial
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace


def test_several_objectives_have_a_front_and_are_measured_on_the_trained_network(ws, table) -> None:
    study = tune(
        ws,
        "mlp",
        table,
        FIT,
        "hidden=[2,64]",
        trials=3,
        jobs=2,
        objectives=["val_accuracy", "parameters:min", "latency_ms"],
        sampler="random",
        name="several",
    )
    assert [one.status for one in study.trials] == ["finished"] * 3
    # 4 inputs, a batch normalisation and 3 classes.
    sizes = {2: 4 * 2 + 2 + 2 * 2 + 2 * 3 + 3, 64: 4 * 64 + 64 + 2 * 64 + 64 * 3 + 3}
    assert [one.values[1] for one in study.trials] == [sizes[one.params["hidden"]] for one in study.trials]
    assert all(0 < one.values[2] < 1000 for one in study.trials)
    assert study.front
    costs = [(-one.values[0], one.values[1], one.values[2]) for one in study.trials]
    for one in study.front:
        mine = (-one.values[0], one.values[1], one.values[2])
        assert not any(np.all(np.array(other) <= mine) and other != mine for other in costs)
    assert "the front is joined" in study.picture()
    assert "on the front" in study.said
    assert tracking.get(ws, study.run).params["monitor"] == "val_accuracy"


def test_a_function_of_the_notebook_is_a_space_too(ws, table) -> None:
    study = tune(ws, "mlp", table, FIT, halves, trials=2, jobs=2, sampler="random", name="function")
    assert [set(one.params) for one in study.trials] == [{"rate", "half"}] * 2
    run = tracking.get(ws, study.trials[0].run)
    assert int(run.params["batch_size"]) == 2 * study.trials[0].params["half"]


def test_a_trial_that_is_worse_than_others_is_stopped_early_and_its_run_says_so(ws, table) -> None:
    fit = Fit(epochs=20, batch_size=16, seed=0, patience=0, accelerator="cpu")
    # Hyperband's first rung is the first epoch; what learns nothing ends there.
    study = tune(
        ws, Tried, table, fit, "lr=[1e-9,0.05] wait=[0.01]", trials=7, jobs=2, pruner="halving", name="early",
        sampler="random",
    )  # fmt: skip
    pruned = [one for one in study.trials if one.status == "pruned"]
    assert pruned
    assert all(one.epochs < 20 for one in pruned)
    run = tracking.get(ws, pruned[0].run)
    assert (run.status, run.tags["pruned"]) == ("stopped", pruned[0].cause)
    assert study.best.status == "finished"


def test_a_picture_of_many_trials_stays_small_and_its_texts_are_escaped() -> None:
    from lepton_nb.figures import board

    rng = np.random.default_rng(0)
    names = [f"<name {place}>" for place in range(9)]
    trials = tuple(
        Trial(number, "finished" if number % 5 else "pruned", dict(zip(names, rng.random(9), strict=True)),
              tuple(rng.random(2)), "r", 3)
        for number in range(2000)
    )  # fmt: skip
    for objectives in ((Objective("<loss>", "min"),), (Objective("<loss>", "min"), Objective("ms", "min"))):
        told = tuple(
            one if len(objectives) == 2 else Trial(**{**vars(one), "values": one.values[:1]}) for one in trials
        )
        study = Study("x", "running", "mlp", "d", objectives, told, 3000, {names[0]: 0.7}, Workspace, 0.0)
        drawn = board(study)
        assert len(drawn) < 100_000
        assert "<name" not in drawn
        assert "<loss" not in drawn
