"""A search space, an objective and a method are read, or refused by one message before anything is written."""

import pytest
from searched import Tried, halves, nothing, tune, unknown

from lepton_nb.errors import MissingError, UsageError
from lepton_nb.records import Objective
from lepton_nb.training import Fit
from lepton_nb.training.tuning.dimensions import Space
from lepton_nb.training.tuning.grammar import parse
from lepton_nb.training.tuning.methods import check_methods
from lepton_nb.training.tuning.objectives import measured_in, objectives_of
from lepton_nb.training.tuning.settings import Settings, settings_of

FIT = Fit(epochs=2, batch_size=32, seed=0, patience=0)


class Fixed:
    """An Optuna trial that takes what it is told, and notes what it was asked."""

    def __init__(self, **values):
        self.values, self.asked = values, {}

    def suggest_float(self, name, low, high, *, log=False):
        self.asked[name] = (low, high, log)
        return self.values[name]

    def suggest_int(self, name, low, high, *, step=1):
        self.asked[name] = (low, high, step)
        return self.values[name]

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return choices[self.values[name]]


def test_a_space_asks_for_its_ranges_and_choices_in_their_own_types() -> None:
    space = parse(
        "lr=log(1e-4, .1)  dropout=uniform(-0,1)\nbatch_size=int(16,64,16) hidden=[32, [64, 64], 'a b', word]"
    )
    trial = Fixed(lr=0.01, dropout=0.5, batch_size=32, hidden=1)
    assert space(trial) == {"lr": 0.01, "dropout": 0.5, "batch_size": 32, "hidden": [64, 64]}
    assert trial.asked == {
        "lr": (1e-4, 0.1, True),
        "dropout": (0.0, 1.0, False),
        "batch_size": (16, 64, 16),
        "hidden": [32, "[64, 64]", "a b", "word"],
    }
    assert Space.from_dict(space.to_dict()) == space
    assert next(space.corners()) == {"lr": 1e-4, "dropout": 0.0, "batch_size": 16, "hidden": 32}
    assert list(space.corners())[-1]["hidden"] == "word"
    mixed = parse("a=[1, true, null]")
    assert [mixed(Fixed(a=place))["a"] for place in range(3)] == [1, True, None]
    assert type(mixed(Fixed(a=1))["a"]) is bool


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["the search space is empty", "NAME=log(a,b)"]),
        ("  \n", ["the search space is empty"]),
        ("lr", ["column 3: the end follows 'lr'", "expected ="]),
        ("lr=", ["column 4: the end is nothing to search"]),
        ("lr=0.1", ["column 4: 0.1 is nothing to search", "--net lr=0.1"]),
        ("lr=lgo(1,2)", ["column 4: 'lgo' is no kind of range", "did you mean 'log'?"]),
        ("lr=log[1,2]", ["column 7: '[' follows log", "log(low, high)"]),
        ("lr=log(1)", ["column 4: log has 1 numbers"]),
        ("lr=log(0,1)", ["column 8: 0 has no logarithm"]),
        ("lr=log(1e-1,1e-4)", ["column 13: 0.0001 is not above 0.1"]),
        ("lr=uniform(1,1)", ["is not above 1"]),
        ("lr=log(1,2", ["column 11: the end follows 2", ", or )"]),
        ("lr=log(1,1e999)", ["column 10: 1e999 is too large"]),
        ("lr=log(a,b)", ["column 8: 'a' is no number"]),
        ("n=int(1.5,3)", ["column 7: 1.5 is no whole number"]),
        ("n=int(1,3,9)", ["column 11: a step of 9 does not fit"]),
        ("h=[", ["column 4: the end is no value"]),
        ("h=[1,2", ["column 3: a bracket is not closed"]),
        ("h=[]", ["'h' has no choices"]),
        ("h=[1 2]", ["column 6: '2' follows a value"]),
        ("h=[1,1]", ["1 is among the choices of 'h' twice"]),
        ("h=[[[[[[[[[1]]]]]]]]]", ["nested more than 8 deep"]),
        ("h=[1] h=[2]", ["column 7: 'h' is searched twice"]),
        ("lr=log(1,2),h=[1]", ["column 12: ',' follows 'lr'", "a space"]),
        ("__import__('os').system('x')", ["column 11: '(' follows '__import__'"]),
        ("x" * 5000, ["5000 characters is too long"]),
        (" ".join(f"a{n}=[1]" for n in range(60)), ["60 dimensions is too large"]),
    ],
)
def test_a_text_that_is_no_space_names_the_place_and_what_was_expected(ws, table, text, words) -> None:
    with pytest.raises(UsageError) as refusal:
        tune(ws, "mlp", table, FIT, text)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert not (ws.home / "tunes").exists()


@pytest.mark.parametrize(
    ("net", "space", "given", "words"),
    [
        ("mlp", "hiden=[32]", {}, ["'hiden'", "did you mean 'hidden'?"]),
        ("mlp", "epoch=[3]", {}, ["'epoch'", "did you mean 'epochs'?"]),
        ("mlp", "net.depth=[3]", {}, ["'net.depth'", "hidden"]),
        ("mlp", "devices=[1,2]", {}, ["'devices' is not searched", "--devices"]),
        ("mlp", "hidden=[32,0]", {}, ["hidden 0 is not allowed"]),
        ("mlp", "dropout=uniform(0,2)", {}, ["dropout 2.0 is not allowed"]),
        ("mlp", "batch_size=int(0,8)", {}, ["batch_size 0 is not allowed"]),
        ("mlp", "lr=uniform(-1,1)", {}, ["lr -1.0 is not allowed"]),
        ("mlp", "lr=log(1e-3,1)", {"lr": 0.1}, ["'lr' is given and searched"]),
        ("mlp", "hidden=[8]", {"options": {"hidden": [8]}}, ["'hidden' is given and searched"]),
        ("cnn", "lr=log(1e-3,1)", {}, ["cnn needs images"]),
        (Tried, "wiat=[1]", {}, ["'wiat'", "did you mean 'wait'?"]),
        ("mlp", 3, {}, ["a int is no search space"]),
        ("mlp", nothing, {}, ["the space's function gave no settings"]),
        ("mlp", unknown, {}, ["'dropuot'", "did you mean 'dropout'?"]),
        ("mlp", lambda trial: {"lr": 1 / 0}, {}, ["the space's function failed", "ZeroDivisionError"]),
        ("mlp", lambda trial: {"lr": 0.1}, {}, ["searches nothing"]),
        ("mlp", "lr=log(1e-3,1)", {"trials": 0}, ["trials 0 is not allowed"]),
        ("mlp", "lr=log(1e-3,1)", {"jobs": -1}, ["jobs -1 is not allowed"]),
        ("mlp", "lr=log(1e-3,1)", {"name": "../up"}, ["study name '../up' is not allowed"]),
        ("mlp", "lr=log(1e-3,1)", {"sampler": "grid"}, ["sampler 'grid' is not allowed", "tpe"]),
        ("mlp", "lr=log(1e-3,1)", {"pruner": "hard"}, ["pruner 'hard' is not allowed", "median"]),
        ("mlp", "lr=log(1e-3,1)", {"objectives": ["temperature"]}, ["temperature:min or temperature:max"]),
        ("mlp", "lr=log(1e-3,1)", {"objectives": ["val_loss:mim"]}, ["'mim' is no direction", "did you mean"]),
        ("mlp", "lr=log(1e-3,1)", {"objectives": ["val_loss", "val_loss"]}, ["is there twice"]),
        ("mlp", "lr=log(1e-3,1)", {"objectives": [":min"]}, ["has no name"]),
    ],
)
def test_what_no_trial_could_be_made_of_is_refused_before_anything_is_written(ws, table, net, space, given, words):
    with pytest.raises(UsageError) as refusal:
        tune(ws, net, table, FIT, space, **given)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert not (ws.home / "tunes").exists()


def test_a_name_that_both_have_is_the_trainings_and_net_dot_name_is_the_networks() -> None:
    base = Settings(FIT, None, {"wait": 0.0})
    found = settings_of({"epochs": 5.0, "net.epochs": 7, "lr": 0.1, "breaks": True}, base)
    assert (found.fit.epochs, found.lr) == (5, 0.1)
    assert found.options == {"wait": 0.0, "epochs": 7, "breaks": True}


def test_objectives_know_which_values_are_better_and_say_what_was_measured_instead() -> None:
    assert objectives_of((), "val_loss") == (Objective("val_loss", "min"),)
    found = objectives_of(("val_accuracy", "parameters", "temperature:max"), "val_loss")
    assert [one.direction for one in found] == ["max", "min", "max"]
    assert [one.cost(2.0) for one in found] == [-2.0, 2.0, -2.0]
    metrics = {"val_loss": 0.5, "val_accuracy": 0.9}
    assert measured_in(metrics, found[:2]) == {"val_accuracy": 0.9}
    assert measured_in({"valid/loss": 0.5}, objectives_of((), "loss")) == {"loss": 0.5}
    with pytest.raises(UsageError, match=r"'val_acc' is not measured.*val_accuracy.*did you mean 'val_accuracy'"):
        measured_in(metrics, objectives_of(("val_acc",), ""))


def test_a_pruner_is_on_with_one_objective_and_refused_with_several(monkeypatch) -> None:
    assert check_methods("tpe", None, 1) == "median"
    assert check_methods("tpe", None, 2) == "none"
    with pytest.raises(UsageError, match="there are 2 objectives; expected --pruner none"):
        check_methods("tpe", "median", 2)
    with pytest.raises(UsageError, match="'cmaes' looks for one objective"):
        check_methods("cmaes", None, 2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="needs the package cmaes"):
        check_methods("cmaes", None, 1)


def test_a_function_of_the_notebook_gives_values_of_its_own_making() -> None:
    assert halves(Fixed(rate=0.05, half=9)) == {"lr": 0.05, "batch_size": 18}
