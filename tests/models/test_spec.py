import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lepton_nb import models
from lepton_nb.errors import FormatError, NotFoundError, UsageError
from lepton_nb.models.shipped import pack, unpack
from lepton_nb.workspace import write_atomic, write_json


class Plain(pl.LightningModule):
    def __init__(self, in_features, num_classes=7, width=4, lr=1e-3):
        super().__init__()
        self.lr = lr
        self.layer = nn.Linear(in_features, num_classes)
        self.width = width

    def forward(self, x):
        return self.layer(x)


class Shaped(pl.LightningModule):
    def __init__(self, input_shape, classes, in_channels, loss):
        super().__init__()
        self.seen = (input_shape, classes, in_channels, loss)


class Rateless(pl.LightningModule):
    def __init__(self):
        super().__init__()


def test_a_class_gets_the_counts_its_signature_asks_for():
    spec = models.specify(Plain, (1, 8, 8), 10, {"width": 6}, 0.5)
    assert (spec.kind, spec.name) == ("class", "Plain")
    assert spec.options == {"in_features": 64, "num_classes": 10, "width": 6, "lr": 0.5}
    assert spec.build().layer.weight.shape == (10, 64)


def test_a_class_gets_shape_and_channels_beside_its_own_arguments():
    loss = nn.L1Loss()
    spec = models.specify(Shaped, (3, 4, 4), 5, {"loss": loss})
    assert spec.build().seen == ((3, 4, 4), 5, 3, loss)


def test_an_option_wins_over_what_is_filled_in():
    assert models.specify(Plain, (4,), 2, {"num_classes": 9}).options["num_classes"] == 9


@pytest.mark.parametrize(
    ("net", "options", "lr", "message"),
    [
        (Shaped, {}, None, "Shaped needs loss; .*next: pass loss as an option"),
        (Plain, {"widht": 1}, None, "Plain has no argument 'widht'; expected one of in_features, num_classes, width"),
        (Rateless, {}, 0.1, "no learning rate is among Rateless's arguments; expected lr or learning_rate"),
        (Rateless(), {}, 0.1, "no learning rate is among Rateless's attributes"),
        (Rateless(), {"width": 1}, None, "Rateless is built already and takes no options"),
        (nn.Linear, {}, None, "Linear cannot be trained; expected a network's name, or a LightningModule"),
        (nn.Linear(1, 1), {}, None, "Linear cannot be trained"),
        (42, {}, None, "int cannot be trained"),
        ("cnn", {"depth": 1}, None, "cnn has no option 'depth'"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(net, options, lr, message):
    with pytest.raises(UsageError, match=message):
        models.specify(net, (1, 8, 8), 10, options, lr)


def test_a_lightning_module_is_told_from_other_things_by_its_bases():
    assert models.is_lightning(Plain)
    assert models.is_lightning(Rateless())
    assert not models.is_lightning(nn.Module)
    other = type("LightningModule", (), {"__module__": "lightning.pytorch.core.module"})
    assert models.is_lightning(type("Net", (other,), {}))
    assert not models.is_lightning(type("LightningModule", (), {"__module__": "mine"}))


def _job(folder, spec, module):
    (folder / "job").mkdir(mode=0o700, parents=True)
    folder.chmod(0o700)
    if (packed := spec.pack()) is not None:
        write_atomic(folder / "job" / models.PICKLE, packed, mode=0o600)
    write_json(folder / "job/job.json", {"net": spec.entry(), "sys_path": []})
    models.save_weights(folder / "weights.safetensors", module)


@pytest.mark.parametrize("net", ["mlp", Plain, Plain(4, 2)], ids=["zoo", "class", "instance"])
def test_a_trained_network_comes_back_from_its_folder_in_evaluation_mode(tmp_path, net):
    spec = models.specify(net, (4,), 2, {})
    trained = spec.build()
    nn.init.constant_(next(trained.parameters()), 0.25)
    _job(tmp_path / "run", spec, trained)
    loaded = models.load_trained(tmp_path / "run")
    assert not loaded.training
    assert torch.equal(loaded(torch.ones(3, 4)), trained.eval()(torch.ones(3, 4)))


def test_a_pickle_that_others_could_write_is_not_opened(tmp_path):
    spec = models.specify(Plain, (4,), 2, {})
    _job(tmp_path / "run", spec, spec.build())
    for place in (tmp_path / "run", tmp_path / "run/job", tmp_path / "run/job/module.pkl"):
        mode = place.stat().st_mode
        place.chmod(mode | 0o020)
        with pytest.raises(FormatError, match="another user could have written it"):
            models.load_trained(tmp_path / "run")
        place.chmod(mode)
    models.load_trained(tmp_path / "run")


def test_a_link_in_the_place_of_a_pickle_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(pack(1))
    (tmp_path / "job").mkdir(mode=0o700)
    (tmp_path / "job/module.pkl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FormatError, match="is not opened"):
        unpack(tmp_path / "job/module.pkl")


def test_what_cannot_be_pickled_is_refused_with_what_to_do(tmp_path):
    net = Rateless()
    net.file = (tmp_path / "open").open("w")
    with net.file, pytest.raises(UsageError, match=r"cannot be sent to the trainer; .*open files"):
        pack(net)


def test_a_run_without_weights_holds_no_trained_network(tmp_path):
    with pytest.raises(NotFoundError, match="holds no trained network"):
        models.load_trained(tmp_path)
