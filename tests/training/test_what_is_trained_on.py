"""Whatever a notebook has: networks of either Lightning, data of any kind, callbacks, and the Trainer's own options."""

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from networks import Language, Plain, Rows, Stream
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from lepton_nb import data, models, training
from lepton_nb.artifact import data_of
from lepton_nb.errors import DataError, PackagingError, TrainingError, UsageError
from lepton_nb.records import Series, decode
from lepton_nb.training import Fit
from lepton_nb.training.sources import Loaders, loaders_of, travels
from lepton_nb.training.starting import specified


@pytest.mark.parametrize(
    ("source", "augment", "message"),
    [
        (lambda ws: data.load(ws, "iris"), "flip", "data iris holds no images that could be varied"),
        (
            lambda ws: Rows(),
            "flip",
            "Rows gives its own rows, which are not varied; expected a loaded data set of images",
        ),
        (lambda ws: data.load(ws, "digits"), "flop", "augmentation 'flop' is unknown"),
    ],
)
def test_what_cannot_be_varied_is_refused_before_a_run_is_written(ws, source, augment, message):
    rows, before = source(ws), set(ws.runs.glob("*"))
    with pytest.raises(UsageError, match=message):
        training.train(ws, Plain, rows, Fit(1, 16, 0, 0, augment=augment))
    assert set(ws.runs.glob("*")) == before


class Module(pl.LightningDataModule):
    """Somebody's own data module."""

    def __init__(self):
        super().__init__()
        self.rows = None

    def setup(self, stage):
        self.rows = Rows()

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(Subset(self.rows, range(64)), batch_size=16)


class Small(pl.LightningModule):
    """Asks for what the data can tell it."""

    def __init__(self, input_shape, num_classes, width=4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(int(np.prod(input_shape)), width), nn.Linear(width, num_classes)
        )

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Marker(pl.Callback):
    """Writes into the log of the run."""

    def on_train_start(self, trainer, module):
        print("marker", trainer.limit_val_batches, flush=True)


def tensors():
    rows = Rows()
    return TensorDataset(rows.features, rows.targets)


SOURCES = {
    "a data module": Module,
    "a loader": lambda: DataLoader(Rows(), batch_size=16),
    "two loaders": lambda: (DataLoader(Rows(), batch_size=16), DataLoader(Rows(32), batch_size=16)),
    "loaders by name": lambda: {"train": DataLoader(Rows(), batch_size=16), "val": DataLoader(Rows(32), batch_size=16)},
    "a dataset": tensors,
    "two datasets": lambda: [tensors(), tensors()],
    "a stream": lambda: DataLoader(Stream(), batch_size=16),
}


@pytest.mark.parametrize("name", SOURCES)
def test_data_of_the_notebooks_own_is_trained_on(ws, name):
    source = SOURCES[name]()
    assert travels(source)
    run = training.train(ws, Small, source, Fit(1, 16, 0, 0), options={"input_shape": (12,), "num_classes": 3})
    assert run.status == "finished"
    assert models.load_trained(run.path) is not None
    # What was shipped goes when nobody can resume with it.
    assert not (run.path / "data").exists()


@pytest.mark.parametrize(
    ("source", "shape", "classes"),
    [(tensors(), (12,), 3), (DataLoader(Rows(), batch_size=4), (12,), 3), ((tensors(), tensors()), (12,), 3)],
)
def test_shapes_and_classes_are_filled_in_from_loaders(source, shape, classes):
    found = loaders_of(source)
    assert (found.shape(), found.classes()) == (shape, classes)


def test_a_class_that_asks_for_shapes_gets_those_of_a_data_module(ws):
    run = training.train(ws, Small, Module(), Fit(1, 16, 0, 0))
    assert run.params["net.input_shape"] == "[12]"
    assert run.params["net.num_classes"] == "3"


def test_a_network_of_the_zoo_is_fitted_to_a_dataset(ws):
    assert training.train(ws, "mlp", tensors(), Fit(1, 16, 0, 0)).metrics["train_loss"] > 0


def test_a_network_with_loaders_of_its_own_needs_no_data(ws):
    assert training.train(ws, Language, None, Fit(1, 16, 0, 0)).status == "finished"
    with pytest.raises(UsageError, match="there is no data to train on; next: --data DATA"):
        training.train(ws, Plain, None, Fit(1, 16, 0, 0))


def test_the_other_lightning_is_welcome_with_the_same_data(ws):
    import lightning.pytorch as other

    body = {name: value for name, value in vars(Small).items() if callable(value)}

    class Other(other.LightningModule):
        def __init__(self, in_features, num_classes):
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, num_classes))

        forward = body["forward"]
        training_step = body["training_step"]
        validation_step = body["validation_step"]
        configure_optimizers = body["configure_optimizers"]

    table = data.load(ws, "breast_cancer")
    assert training.train(ws, Other, table, Fit(1, 64, 0, 0)).metrics["val_loss"] > 0
    assert training.train(ws, Other, tensors(), Fit(1, 64, 0, 0)).status == "finished"


def test_callbacks_and_arguments_of_the_trainer_arrive(ws):
    fit = Fit(1, 16, 0, 0, trainer={"limit_val_batches": 1}, precision="64", clip=0.5)
    run = training.train(ws, Small, (tensors(), tensors()), fit, callbacks=[Marker()])
    assert "marker 1" in (run.path / "log").read_text()
    assert (run.params["trainer.limit_val_batches"], run.params["precision"], run.params["clip"]) == ("1", "64", "0.5")


def test_our_own_data_module_is_found_by_its_hash(ws):
    table = data.load(ws, "breast_cancer")
    run = training.train(ws, "mlp", data.module(table), Fit(1, 64, 0, 0))
    assert run.data == table.id


def test_what_a_network_logs_at_each_step_is_in_its_curves_and_its_frame(ws):
    run = training.train(ws, Plain, (Rows(), Rows(32)), Fit(2, 16, 0, 0))
    frame = run.metrics()
    assert isinstance(frame, pd.DataFrame)
    assert {"train_loss_step", "train_loss_epoch", "val_loss"} <= set(frame.columns)
    assert frame["val_loss"].dropna().index.tolist() == [9, 19]
    points = [
        event for event in map(decode, (run.path / "events.jsonl").read_bytes().splitlines()) if event.kind == "curve"
    ]
    assert {"loss", "train_loss_step", "train_loss_epoch", "val_loss"} <= {
        name for one in points for name in one.metrics
    }


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ((None, tensors()), DataError, "the data has no training part"),
        ({"val": tensors()}, DataError, "the data has no training part"),
        ((tensors(), DataLoader(Rows())), UsageError, "a loader and a dataset do not go together"),
        ([tensors()] * 3, UsageError, "3 loaders are too many"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(ws, source, error, message):
    with pytest.raises(error, match=message):
        training.train(ws, Plain, source, Fit(1, 16, 0, 0))


def test_an_error_of_the_network_is_the_cause_of_the_failure(ws):
    with pytest.raises(TrainingError, match="failed; got RuntimeError: mat1 and mat2 shapes cannot be multiplied"):
        training.train(
            ws,
            Plain,
            TensorDataset(torch.randn(20, 7), torch.arange(20) % 3),
            Fit(1, 16, 0, 0),
            options={"in_features": 12},
        )


def test_a_model_of_loaders_of_its_own_is_not_packaged_and_why_is_told(ws):
    run = training.train(ws, Small, tensors(), Fit(1, 16, 0, 0))
    with pytest.raises(PackagingError, match=r"trained on TensorDataset, which are not kept .*next: train it on what"):
        data_of(ws, run)


def test_arrays_and_frames_do_not_travel_they_are_loaded():
    assert not travels((np.zeros((3, 2)), np.zeros(3)))
    assert not travels(pd.DataFrame({"a": [1]}))
    assert not travels("digits")
    assert Loaders("own", "x").shape() is None


def test_a_forecaster_is_told_how_many_series_a_row_holds(ws):
    moments = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": moments, "sold": np.arange(60.0), "price": np.arange(60.0) % 5})
    options = {"target": "sold", "time_column": "day", "series": Series(history=4, horizon=1)}
    for columns, series in ((["day", "sold"], 1), (["day", "sold", "price"], 2)):
        loaded = data.load(ws, frame[columns], **options)
        spec = specified("forecaster", loaded, {}, None)
        assert (loaded.feature_shape, spec.options) == ((4 * series + 4,), {"history": 4, "series": series})
        with pytest.raises(UsageError, match="history 5 is not that of the data"):
            specified("forecaster", loaded, {"history": 5}, None)
