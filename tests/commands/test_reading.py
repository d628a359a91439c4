"""What code in a notebook reads: rows before preprocessing, and the network's own answers."""

import numpy as np
import pytest

import lepton_nb
from lepton_nb.commands import hosted
from lepton_nb.data import read
from lepton_nb.errors import NotFoundError


@pytest.fixture
def one(trained, monkeypatch):
    found = trained("breast_cancer")
    monkeypatch.setenv("LEPTON_HOME", str(found.ws.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return found


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_rows_of_each_part_are_those_of_the_data(part, one) -> None:
    inputs, targets = lepton_nb.read_data(one.data, part)
    expected, classes = read(one.data, part)
    assert targets.dtype == np.int64
    np.testing.assert_array_equal(targets, classes)
    assert list(inputs) == list(expected)
    for name, values in expected.items():
        assert inputs[name].dtype == np.float64
        np.testing.assert_array_equal(inputs[name], values)


def test_the_rows_are_the_tests_unless_said_and_are_found_by_name_hash_and_variable(one, fake_host) -> None:
    expected = read(one.data, "test")[1]
    for word in (one.data.name, one.data.id):
        np.testing.assert_array_equal(lepton_nb.read_data(word)[1], expected)
    with hosted(fake_host(mine=one.data)):
        np.testing.assert_array_equal(lepton_nb.read_data("mine")[1], expected)


def test_unknown_data_is_not_found_and_named(one) -> None:
    with pytest.raises(NotFoundError, match="nothing_like_it"):
        lepton_nb.read_data("nothing_like_it")


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_networks_own_answers_are_probabilities_of_that_part(part, one) -> None:
    answers = lepton_nb.network_probabilities(one.run, part)
    targets = lepton_nb.read_data(one.data, part)[1]
    assert answers.dtype == np.float64
    assert answers.shape == (len(targets), 2)
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, rtol=1e-6)
    # Of a trained network, in the order of the rows and of the classes.
    assert (answers.argmax(axis=1) == targets).mean() > 0.85


def test_a_run_is_found_by_the_variable_that_holds_it(one, fake_host) -> None:
    with hosted(fake_host(best=one.run)):
        np.testing.assert_array_equal(lepton_nb.network_probabilities("best"), lepton_nb.network_probabilities(one.run))


def test_a_trained_network_is_loaded_with_its_best_weights(one, fake_host) -> None:
    import torch

    from lepton_nb.data import features

    with hosted(fake_host(best=one.run)):
        network = lepton_nb.load_model("best")
    assert not network.training
    with torch.no_grad():
        answers = network(torch.from_numpy(features(one.data, "test")[0])).softmax(1).numpy()
    np.testing.assert_allclose(answers, lepton_nb.network_probabilities(one.run), atol=1e-5)


def test_a_run_that_is_not_there_has_no_network(one) -> None:
    with pytest.raises(NotFoundError, match="no run is called 'nothing'"):
        lepton_nb.load_model("nothing")
