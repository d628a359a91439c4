import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

from lepton_nb import models
from lepton_nb.errors import UsageError
from lepton_nb.models import catalog, combined, zoo
from lepton_nb.models.autoencoder import Autoencoder
from lepton_nb.models.cnn import CNN
from lepton_nb.models.forecaster import Forecaster
from lepton_nb.models.mlp import MLP
from lepton_nb.models.ngrams import NGrams
from lepton_nb.models.rnn import RNN
from lepton_nb.models.tab_transformer import TabTransformer
from lepton_nb.models.transformer import Transformer
from lepton_nb.models.two_tower import TwoTower


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 5, 7), (1, 1, 1)])
def test_a_cnn_turns_images_of_any_size_into_one_logit_per_class(shape):
    network = models.build("cnn", shape, 10).eval()
    assert network(torch.zeros(3, *shape)).shape == (3, 10)


def test_a_block_of_a_cnn_adds_to_what_came_in():
    torch.manual_seed(0)
    network = models.build("cnn", (3, 6, 6), 2, channels=[3, 5]).eval().network
    images = torch.randn(4, 3, 6, 6)
    for block, given in ((network.block1, images), (network.block2, network.halved1(images))):
        assert not torch.allclose(block(given), torch.relu(block.body(given)))
        torch.nn.init.zeros_(block.body[-1].weight)
        torch.nn.init.zeros_(block.body[-1].bias)
        # What learns nothing leaves what came in as it was, brought to as many channels.
        torch.testing.assert_close(block(given), torch.relu(block.skip(given)))
    torch.testing.assert_close(network.block1(images), torch.relu(images))


@pytest.mark.parametrize("shape", [(30,), (1,), (1, 8, 8)])
def test_an_mlp_takes_rows_of_any_shape(shape):
    network = models.build("mlp", shape, 2, hidden=[16]).eval()
    assert network(torch.zeros(5, *shape)).shape == (5, 2)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_every_schedule_can_be_chosen(schedule):
    assert models.build("mlp", (3,), 2, schedule=schedule).schedule == schedule


def test_the_same_seed_builds_the_same_weights():
    built = []
    for _ in range(2):
        torch.manual_seed(3)
        built.append(models.build("cnn", (1, 8, 8), 10).state_dict())
    assert all(torch.equal(built[0][name], built[1][name]) for name in built[0])


def test_an_unknown_network_is_refused_with_the_nearest_name():
    with pytest.raises(
        UsageError, match=r"no network is called 'cmn'; expected one of autoencoder, cnn, dqn, .*did you mean cnn\?"
    ):
        models.build("cmn", (1, 8, 8), 10)


def test_an_unknown_option_is_refused_with_the_legal_ones():
    with pytest.raises(UsageError, match="mlp has no option 'depth'; expected one of hidden, dropout"):
        models.build("mlp", (3,), 2, depth=3)


def test_a_cnn_refuses_rows_that_are_no_images_and_names_what_takes_them():
    with pytest.raises(UsageError, match=r"cnn needs images; .*got rows of shape \(30,\); next: use mlp"):
        models.build("cnn", (30,), 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("hidden", "wide"),
        ("hidden", "[[["),
        ("hidden", -1),
        ("hidden", [16, 0]),
        ("hidden", [1.5]),
        ("hidden", [True]),
        ("hidden", [10**9]),
        ("dropout", 1.5),
        ("dropout", "0.1"),
        ("lr", 0),
        ("lr", float("nan")),
        ("weight_decay", -1),
        ("schedule", "step"),
        ("schedule", []),
        ("label_smoothing", True),
    ],
)
def test_an_option_that_cannot_be_is_told_without_building(option, value):
    with pytest.raises(UsageError, match=f"mlp: {option} .* is not allowed; expected"):
        models.specify("mlp", (3,), 2, {option: value})


def test_values_from_numpy_and_tuples_are_options_too():
    built = models.build("mlp", (3,), 2, hidden=np.array([4, 5]), dropout=np.float32(0.5), lr=np.float64(0.1))
    assert built(torch.zeros(2, 3)).shape == (2, 2)
    assert models.build("mlp", (3,), 2, hidden=())(torch.zeros(2, 3)).shape == (2, 2)


KINDS = {
    "autoencoder": Autoencoder,
    "cnn": CNN,
    "forecaster": Forecaster,
    "mlp": MLP,
    "ngrams": NGrams,
    "rnn": RNN,
    "tab_transformer": TabTransformer,
    "transformer": Transformer,
    "two_tower": TwoTower,
}


def test_every_option_has_a_rule_that_its_default_passes():
    for name, kind, shape in (
        ("autoencoder", Autoencoder, (5,)),
        ("cnn", CNN, (1, 8, 8)),
        ("two_tower", TwoTower, (5,)),
        ("mlp", MLP, (1, 8, 8)),
        ("tab_transformer", TabTransformer, (5,)),
        ("rnn", RNN, (5, 3)),
        ("transformer", Transformer, (5, 3)),
    ):
        parameters = inspect.signature(kind).parameters
        zoo.check(name, shape, {option: parameters[option].default for option in catalog.ZOO[name].options})


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_the_options_told_without_torch_are_those_of_the_signature(name, kind):
    parameters = inspect.signature(kind).parameters
    assert catalog.ZOO[name].options == tuple(p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY)
    for option, value in combined.DEFAULTS.get(name, {}).items():
        assert parameters[option].default in (value, inspect.Parameter.empty)


def test_no_network_of_the_zoo_goes_without_a_look_at_its_options():
    # An agent's options are looked at in tests/models/rl/test_dqn.py.
    assert set(KINDS) == {name for name in models.names() if not models.is_agent(name)}


def test_choosing_a_network_by_name_imports_no_torch():
    code = (
        "import sys; from lepton_nb import models; models.specify('cnn', (1, 8, 8), 10, {'dropout': 0.2}, 1e-3);"
        "assert not {'torch', 'pytorch_lightning', 'sklearn', 'mlflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "task", "options", "message"),
    [
        ("forecaster", "classification", {"history": 3}, "forecaster cannot do classification; expected data for regr"),
        ("forecaster", "regression", {}, "forecaster does not know its history; next: load the series with"),
        ("two_tower", "multilabel", {}, "two_tower cannot do multilabel; expected data for classification"),
        ("autoencoder", "regression", {}, "autoencoder cannot do regression"),
        ("forecaster", "regression", {"history": 3, "quantiles": [0.9, 0.1]}, "quantiles .* is not allowed"),
        ("autoencoder", "classification", {"normal": 3}, "normal 3 is not allowed; expected 0, 1, or -1"),
    ],
)
def test_what_a_network_cannot_do_is_refused_before_it_is_built(name, task, options, message):
    with pytest.raises(UsageError, match=message):
        zoo.check(name, (5,), options, task, 2)


def test_an_autoencoder_refuses_more_than_two_classes():
    with pytest.raises(UsageError, match="10 classes, but anomalies are one of two"):
        models.build("autoencoder", (64,), 10)


def test_quantiles_never_cross_and_the_middle_one_is_answered():
    torch.manual_seed(0)
    net = models.build("forecaster", (9,), 3, "regression", history=7, quantiles=[0.1, 0.5, 0.9]).eval()
    rows = torch.randn(20, 9)
    with torch.no_grad():
        found = net.quantiles(rows)
        assert (found.diff(dim=2) > 0).all()
        assert torch.equal(net(rows), found[..., 1])


def test_an_autoencoder_learns_from_normal_rows_alone():
    torch.manual_seed(0)
    net = models.build("autoencoder", (6,), 2, noise=0.0, dropout=0.0)
    rows, targets = torch.randn(8, 6), torch.tensor([0, 0, 0, 0, 0, 1, 1, 1])
    net.learn_from(rows, targets)
    whole = net.training_step((rows, targets), 0)
    changed = torch.cat([rows[:5], 100 * torch.randn(3, 6)])
    assert torch.equal(whole, net.training_step((changed, targets), 0))
    assert float(net.normality[0]) == 0


@pytest.mark.parametrize("name", ["rnn", "forecaster"])
def test_each_network_reads_with_the_cell_that_was_asked_for(name):
    kinds = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "transformer": torch.nn.TransformerEncoder}
    usual = catalog.ZOO[name].usual
    asked = kinds if name == "forecaster" else ("gru", "lstm")
    for cell in asked:
        built = models.build(name, usual.shape, usual.classes, usual.task, **usual.told, cell=cell)
        found = {one for one in kinds for part in built.modules() if isinstance(part, kinds[one])}
        assert found == {cell}
        assert built(torch.ones(2, *usual.shape, dtype=torch.int64 if name == "rnn" else None)).shape[0] == 2
    for cell in {*kinds, "elman"} - set(asked):
        with pytest.raises(UsageError, match=f"{name}: cell '{cell}' is not allowed; expected one of gru, lstm"):
            zoo.check(name, usual.shape, {**usual.told, "cell": cell}, usual.task)
    with pytest.raises(ValueError, match="'elman' is no recurrent cell: gru or lstm"):
        KINDS[name](usual.shape, usual.classes, usual.task, **usual.told, cell="elman")


def test_a_forecast_of_one_step_reads_its_series_and_not_the_calendar_as_one():
    told = {"history": 4, "series": 1}
    spec = models.specify("forecaster", (8,), 1, {}, task="regression", about=told)
    network = spec.build().network
    assert (network.series, network.rest) == (1, 4)
    with pytest.raises(UsageError, match=r"history 5 is not that of the data; expected history 4; next: leave history"):
        models.specify("forecaster", (8,), 1, {"history": 5}, task="regression", about=told)
    with pytest.raises(UsageError, match="2 series of history 4 in rows of 7 columns; expected 8 columns or more"):
        models.build("forecaster", (7,), 1, "regression", history=4, series=2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tab_transformer", {"embedding": "none"}, "embedding 'none' is not allowed; expected one of linear, periodic"),
        ("tab_transformer", {"size": 30}, "size 30 is no multiple of heads 4"),
        ("tab_transformer", {"categories": [20, 11]}, "categories of 31 values in rows of 30"),
        ("mlp", {"embedding": "linear", "categories": [31]}, "categories of 31 values in rows of 30"),
        ("autoencoder", {"hidden": []}, r"hidden \[\] is not allowed; expected a list"),
        ("forecaster", {"cell": "transformer", "size": 30}, "size 30 is no multiple of heads 4; expected a multiple"),
        ("rnn", {"size": 1}, "size 1 for 2 kernels; expected a size of 2 or more"),
        ("rnn", {"kernels": [2]}, r"kernels \[2\] is not allowed; expected a list of odd numbers"),
        ("transformer", {"width": 30}, "width 30 is no multiple of heads 4"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_built(name, options, message):
    usual = catalog.ZOO[name].usual
    shape = (30,) if name in ("mlp", "tab_transformer") else usual.shape
    with pytest.raises(UsageError, match=f"{name}: {message}"):
        zoo.check(name, shape, {**usual.told, **options}, usual.task, usual.classes)


def test_whatever_torch_fails_with_is_told_as_an_option_that_cannot_be(monkeypatch):
    def fails(*_, **__):
        raise AssertionError("embed_dim must be divisible by num_heads")

    monkeypatch.setattr("lepton_nb.models.mlp.MLP.__init__", fails)
    with pytest.raises(UsageError, match=r"mlp cannot be built with .*AssertionError: embed_dim must be divisible"):
        models.build("mlp", (3,), 2)


def test_the_nearest_option_is_told():
    with pytest.raises(UsageError, match=r"mlp has no option 'hiden'.*did you mean 'hidden'"):
        zoo.check("mlp", (3,), {"hiden": [3]})

    import pytorch_lightning as pl

    class Own(pl.LightningModule):
        def __init__(self, width=3):
            super().__init__()

    with pytest.raises(UsageError, match=r"Own has no argument 'widht'.*did you mean 'width'"):
        models.specify(Own, (3,), 2, {"widht": 4})
