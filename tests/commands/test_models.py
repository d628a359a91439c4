"""`lepton models`."""

import pytest

import lepton_nb
from lepton_nb.errors import NotFoundError, UsageError


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_network_is_listed_with_what_it_is_for(place):
    found = {one.name: one for one in lepton_nb.models_list().networks}
    assert list(found) == sorted(found)
    assert {"autoencoder", "cnn", "dqn", "forecaster", "mlp", "rnn", "two_tower"} <= set(found)
    assert found["mlp"].tasks == ("classification", "regression", "multilabel")
    assert found["forecaster"].tasks == ("regression",)
    assert all(one.about and one.inputs and one.options for one in found.values())


@pytest.mark.parametrize("name", [one.name for one in lepton_nb.models_list().networks])
def test_every_network_can_be_drawn_without_data(place, name):
    found = lepton_nb.models_show(name)
    assert found.parameters > 0
    assert sum(one.parameters for one in found.layers) <= found.parameters
    assert found.picture.startswith("<svg")
    assert found.layers[-1].shape
    assert "picture" not in found.to_json()


def test_layers_are_those_of_the_options_and_of_the_data(place):
    found = lepton_nb.models_show("mlp", data=lepton_nb.data_load("iris"), net=("hidden=[7]",))
    linear = [one for one in found.layers if one.kind == "Linear"]
    assert [(one.shape, one.parameters) for one in linear] == [((7,), 35), ((3,), 24)]
    assert found.row == (4,)


def test_a_network_that_nobody_has_is_refused_with_the_nearest_name(place):
    with pytest.raises(NotFoundError, match="did you mean cnn"):
        lepton_nb.models_show("cmn")


def test_options_that_it_does_not_have_are_refused(place):
    with pytest.raises(UsageError, match="cnn has no option 'hidden'"):
        lepton_nb.models_show("cnn", net=("hidden=[3]",))


def test_the_word_alone_lists(place, capsys):
    from lepton_nb.commands import PlainHost, invoke

    assert invoke(["models"], PlainHost()).result == lepton_nb.models_list()
