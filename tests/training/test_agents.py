"""An agent goes the way of every network: it is trained, stopped, resumed, evaluated, packaged, asked and played."""

import json
import time

import numpy as np
import pytest
from walks import Walk

import lepton_nb
from lepton_nb import models, tracking, training
from lepton_nb.errors import UsageError
from lepton_nb.records import Epoch, Failed
from lepton_nb.runtime.model import Model
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace

QUICK = {"epoch_steps": 10, "warmup": 100, "batch": 16, "envs": 8, "train_every": 8, "episodes": 10, "sweeps": 4}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / ".lepton"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("LEPTON_HOME", str(folder))
        yield folder


def options(**changed):
    return tuple(f"{name}={json.dumps(value)}" for name, value in {**QUICK, **changed}.items())


@pytest.fixture(scope="module")
def run(home):
    return lepton_nb.train("dqn", data="maze:3x3", name="walker", epochs=3, net=options())


def test_a_training_tells_what_came_of_the_episodes(run):
    assert run.status == "finished"
    assert {"val_return", "val_solved", "val_solved_within_twice", "train_loss", "epsilon"} <= set(run.metrics)
    assert run.params["batch_size"] == "16"
    assert run.params["data_name"] == "maze:3x3"
    table = run.metrics()
    assert len(table)
    assert 100 + 3 * 80 <= run.metrics["env_steps"] <= 100 + 3 * 80 + 24


def test_an_agent_is_measured_in_mazes_that_it_was_never_trained_on(run):
    card = lepton_nb.evaluate("walker")
    again = lepton_nb.evaluate("walker")
    assert (card.rows, card.part, card.classes) == (200, "test", ("up", "right", "down", "left"))
    assert {"return", "solved", "solved_within_twice", "length"} <= set(card.metrics)
    assert card.metrics == again.metrics
    assert json.loads((run.path / "artifact" / "card.json").read_text())["metrics"] == pytest.approx(card.metrics)
    other = lepton_nb.evaluate("walker", part="validation")
    assert other.metrics != card.metrics
    assert lepton_nb.evaluate("walker", data="maze:3x3:0.9").metrics["solved"] > card.metrics["solved"] - 1
    with pytest.raises(UsageError, match="cannot be measured in maze:4x4; expected observations of shape"):
        lepton_nb.evaluate("walker", data="maze:4x4")


def test_the_package_answers_with_the_action_that_the_network_thinks_best(run):
    bento = lepton_nb.package("walker")
    model, agent = Model.load(bento.model), lepton_nb.load_model("walker")
    assert model.signature.classes == ("up", "right", "down", "left")
    seen = models.environment("maze:3x3").worlds(64, 5).reset()
    answers = model.ask({"observation": seen})["probabilities"]
    assert (answers.argmax(axis=1) == agent.best(seen)).all()
    assert answers.sum(axis=1) == pytest.approx(np.ones(64), abs=1e-5)
    assert json.loads((bento.model / "card.json").read_text())["metrics"]["return"]
    told = lepton_nb.predict(bento.tag, data=[{"observation": seen[0].tolist()}])
    assert model.signature.classes[answers[0].argmax()] in str(told)


def test_what_is_ordinary_is_what_an_agent_sees_that_knows_its_way(run):
    kept = models.read_examples(run.path / "job")
    assert kept.classes == ("up", "right", "down", "left")
    (train,), (held_out,) = kept.train, kept.validation
    assert 0 < held_out.rows <= 512
    assert 0 < train.rows <= 2048
    assert train.inputs["observation"].shape[1:] == (3, 7, 7)
    assert not train.targets


def test_an_episode_can_be_looked_at(run):
    one, again = lepton_nb.play("walker", 3), lepton_nb.play("walker", 3)
    assert one == again
    assert one.environment == "maze:3x3"
    assert set(one.actions) <= {"up", "right", "down", "left"}
    assert one.solved == (len(one.actions) < 18 or one.rewards[-1] > 0)
    shown = one._repr_mimebundle_()
    assert "<animateTransform" in shown["text/html"]
    assert "<script" not in shown["text/html"]
    assert f"steps         {len(one.actions)}" in shown["text/plain"]
    assert lepton_nb.play("walker", 3, data="maze:5x5").environment == "maze:5x5"
    with pytest.raises(UsageError, match="cannot act in gym:CartPole-v1; expected the actions up"):
        lepton_nb.play("walker", data="gym:CartPole-v1")
    with pytest.raises(UsageError, match="seed -1 is not allowed"):
        lepton_nb.play("walker", -1)


def test_an_environment_of_a_notebook_travels_to_the_trainer(home):
    ws = Workspace(home)
    source = models.environment(Walk)
    fit = Fit(epochs=8, batch_size=64, seed=0, patience=0)
    learning = {**QUICK, "epoch_steps": 80, "epsilon_steps": 80, "target_every": 10}
    run = training.train(ws, "dqn", source, fit, options=learning)
    assert (run.status, run.metrics["val_return"]) == ("finished", 1.0)
    assert models.environment_of(run.path).actions == ("back", "on")
    assert lepton_nb.play(run).actions == ("on",) * 4


def test_a_run_that_was_stopped_goes_on_with_its_steps_and_its_epsilon(home):
    ws = Workspace(home)
    quick = {**QUICK, "epsilon_steps": 10_000}
    fit = Fit(epochs=10_000, batch_size=64, seed=0, patience=0, checkpoint_every=0.2)
    run = training.train(ws, "dqn", models.environment("gym:CartPole-v1"), fit, options=quick, detach=True)
    before = measured(ws, run, 20)
    lepton_nb.stop(run)
    stopped = lepton_nb.attach(run)
    assert stopped.status == "stopped"
    training.resume(ws, run.id, detach=True)
    measured(ws, run, max(before) + 20)
    lepton_nb.stop(run)
    lepton_nb.attach(run)
    told = {one.step: one.metrics["epsilon"] for one in training.Tail(run.path).read() if isinstance(one, Epoch)}
    assert len(told) > 3
    # Each step of learning takes the same from epsilon, across the interruption too.
    assert list(told.values()) == pytest.approx([1 - 0.95 * step / 10_000 for step in told], abs=1e-6)


def measured(ws, run, least):
    """Wait until so many steps were told of."""
    while True:
        found = training.Tail(run.path).read()
        steps = [one.step for one in found if isinstance(one, Epoch)]
        if steps and max(steps) >= least:
            return steps
        assert not [one for one in found if isinstance(one, Failed)]
        time.sleep(0.05)


def test_several_processes_are_refused():
    with pytest.raises(UsageError, match="dqn trains in one process"):
        lepton_nb.train("dqn", data="maze:3x3", devices=2)


def test_data_of_another_kind_is_refused_with_what_an_agent_takes(home):
    with pytest.raises(UsageError, match="'digits' is no environment; expected maze:HEIGHT"):
        lepton_nb.train("dqn", data="digits")
    with pytest.raises(UsageError, match=r"cnn does not learn from an environment.*next: lepton train dqn"):
        lepton_nb.train("cnn", data="maze:8x8")
    with pytest.raises(UsageError, match="dqn has no option 'depth'"):
        lepton_nb.train("dqn", data="maze:8x8", net=("depth=3",))


@pytest.mark.parametrize("named", [True, False], ids=["by its name", "made by a function"])
def test_an_agent_is_tuned_by_its_return_where_it_acts(home, named):
    place = models.environment("maze:2x2" if named else Walk)
    fit = Fit(epochs=2, batch_size=32, seed=0, patience=0, accelerator="cpu")
    method = training.Method(trials=2, jobs=1, objectives=("val_return", "latency_ms"))
    given = {name: value for name, value in QUICK.items() if named or name != "sweeps"}
    space = "lr=log(1e-3,1e-2) net.gamma=[0.9,0.99]"
    study = training.tune(Workspace(home), "dqn", place, fit, space, method, options=given)
    assert study.status == "finished"
    assert [one.direction for one in study.objectives] == ["max", "min"]
    for one in study.trials:
        assert one.complete, one.cause
        returns = tracking.get(Workspace(home), one.run).metrics()["val_return"].dropna()
        assert one.values[0] == pytest.approx(max(returns), rel=1e-3)
        assert one.values[1] > 0
        assert one.params["net.gamma"] in (0.9, 0.99)


def test_what_tells_an_agents_best_epoch_tells_its_best_trial(home):
    study = lepton_nb.tune("dqn", data="maze:2x2", epochs=1, net=options(), trials=1, space="lr=log(1e-3,1e-2)")
    assert [(one.name, one.direction) for one in study.objectives] == [("val_return", "max")]
    assert study.best.values
