"""`lepton train`: fit a network in a process of its own."""

from __future__ import annotations

from typing import Annotated, Any

from ..records import Run
from ..workspace import current
from .declare import Arg, Opt
from .find import data_of, network_of, options_of
from .host import current_host


def train(
    network: Annotated[object, Arg("cnn, mlp, a LightningModule of this notebook, or package.module:Class.", "NET")],
    *,
    data: Annotated[object, Opt("Data handle, hash, file or scikit-learn name.", "DATA")],
    target: Annotated[str | None, Opt("Column to predict, when DATA is not loaded yet.", "COLUMN")] = None,
    name: Annotated[str | None, Opt("A name for the run.")] = None,
    epochs: Annotated[int, Opt("Most epochs to train.")] = 30,
    lr: Annotated[float | None, Opt("Learning rate (default: the network's own).")] = None,
    batch_size: Annotated[int, Opt("Rows per step.")] = 64,
    seed: Annotated[int, Opt("Seed of weights and shuffling.")] = 0,
    patience: Annotated[int, Opt("Epochs without a better validation loss before stopping; 0 never stops.")] = 8,
    net: Annotated[tuple[str, ...], Opt("An argument of the network, as name=value; repeatable.", "K=V")] = (),
) -> Run:
    """Train NET on DATA, keep the best weights, and record the run.

    The first Ctrl-C finishes the batch and keeps the best weights; the second one kills the trainer.

    Returns:
        The run; a network given as an instance holds the best weights afterwards.
    """
    from .. import training

    ws, kind, options = current(), network_of(network), options_of(net)
    fit: dict[str, Any] = {
        "name": name, "epochs": epochs, "lr": lr, "batch_size": batch_size, "seed": seed, "patience": patience
    }  # fmt: skip
    # Before data that is not loaded yet is written for a run that cannot be.
    training.check(kind, options=options, **fit)
    return training.train(ws, kind, data_of(ws, data, target), options=options, report=current_host().report, **fit)
