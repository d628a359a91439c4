"""`lepton train`, `attach` and `resume`: fit a network in a process of its own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ..records import Run
from ..workspace import current
from .declare import Arg, Opt
from .find import data_of, network_of, options_of, source_of
from .host import current_host

_RUN = Arg("id, unique prefix, name or last.", "RUN", completes="run")
_MODULE = "cnn, mlp, a LightningModule of this notebook, or package.module:Class."


def train(
    network: Annotated[object, Arg(_MODULE, "NET", completes="network")],
    *,
    data: Annotated[
        object,
        Opt("Handle, hash, name, file, folder of images, SQL, or this notebook's data.", "DATA", completes="data"),
    ] = None,
    target: Annotated[str | None, Opt("Column to predict, when DATA is not loaded yet.", "COLUMN")] = None,
    name: Annotated[str | None, Opt("A name for the run.")] = None,
    epochs: Annotated[int, Opt("Most epochs to train.")] = 30,
    steps: Annotated[int, Opt("Most steps to train; 0 for no limit.")] = 0,
    lr: Annotated[float | None, Opt("Learning rate (default: the network's own).")] = None,
    batch_size: Annotated[int, Opt("Rows per step, of all devices together.")] = 64,
    seed: Annotated[int, Opt("Seed of weights and shuffling.")] = 0,
    patience: Annotated[int, Opt("Epochs without a better monitored metric before stopping; 0 never stops.")] = 8,
    monitor: Annotated[str | None, Opt("Metric that tells the best epoch (default: the validation loss).")] = None,
    precision: Annotated[
        Literal["auto", "32", "64", "16-mixed", "bf16-mixed", "bf16-true"],
        Opt("Of numbers; auto: bf16-mixed on a GPU that has it."),
    ] = "auto",
    accelerator: Annotated[Literal["auto", "cpu", "gpu"], Opt("Where to compute; auto: a GPU when there is one.")] = (
        "auto"
    ),
    devices: Annotated[int, Opt("Processes that share each batch, one GPU each where there are GPUs.")] = 1,
    on: Annotated[Literal["local", "ray"], Opt("Where to run: this machine, or the cluster of RAY_ADDRESS.")] = "local",
    workers: Annotated[int, Opt("Ray workers that share each batch, with --on ray.")] = 0,
    clip: Annotated[float, Opt("Largest norm of the gradients; 0 leaves them.")] = 0.0,
    accumulate: Annotated[int, Opt("Batches per step.")] = 1,
    checkpoint_every: Annotated[float, Opt("Seconds between two checkpoints.", "SECONDS")] = 30.0,
    allow_nan: Annotated[bool, Opt("Go on when the loss is not finite.")] = False,
    callback: Annotated[tuple[object, ...], Opt("A Lightning callback of this notebook; repeatable.", "NAME")] = (),
    net: Annotated[tuple[str, ...], Opt("An argument of the network, as name=value; repeatable.", "K=V")] = (),
    trainer: Annotated[tuple[str, ...], Opt("An argument of Lightning's Trainer; repeatable.", "K=V")] = (),
    detach: Annotated[bool, Opt("Return at once; attach shows the run.")] = False,
) -> Run:
    """Train NET on DATA, keep the best weights, and record the run.

    The training has a process of its own: it goes on when the notebook, the browser or this program ends. The first
    Ctrl-C finishes the batch and keeps the best weights; the second one kills the trainer.

    Returns:
        The run; a network given as an instance holds the best weights afterwards.
    """
    from .. import training

    ws, kind, options = current(), network_of(network), options_of(net)
    fit = training.Fit(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        patience=patience,
        steps=steps,
        monitor=monitor or "",
        precision=precision,
        accelerator=accelerator,
        devices=devices,
        on=on,
        workers=workers,
        clip=clip,
        accumulate=accumulate,
        checkpoint_every=checkpoint_every,
        allow_nan=allow_nan,
        trainer=options_of(trainer),
    )
    about: dict[str, Any] = {"name": name, "lr": lr, "options": options}
    # Before data that is not loaded yet is written for a run that cannot be.
    training.check(kind, fit, **about)
    return training.train(
        ws,
        kind,
        _data(ws, data, target),
        fit,
        callbacks=_callbacks(callback),
        detach=detach,
        report=current_host().report,
        **about,
    )


def attach(run: Annotated[object, _RUN] = "last") -> Run:
    """Show a training as the cell that started it does, and wait for its end.

    Ctrl-C leaves it alone; `lepton stop` ends it.

    Returns:
        The run.
    """
    from .. import training
    from .find import run_of

    ws = current()
    return training.attach(ws, run_of(ws, run).id, report=current_host().report)


def resume(
    run: Annotated[object, _RUN] = "last", *, detach: Annotated[bool, Opt("Return at once.")] = False
) -> Run:
    """Go on with a run that was stopped or has failed, from its last good checkpoint.

    Returns:
        The run, under the id that it had.
    """
    from .. import training
    from .find import run_of

    ws = current()
    return training.resume(ws, run_of(ws, run).id, detach=detach, report=current_host().report)


def _data(ws: Any, data: object, target: str | None) -> Any:
    """A loaded data set, or loaders of the notebook's own."""
    from .. import training

    value = source_of(data)
    return value if value is None or training.travels(value) else data_of(ws, value, target)


def _callbacks(names: tuple[object, ...]) -> list[object]:
    from .. import models

    host = current_host()
    found = [host.resolve(name) if isinstance(name, str) else name for name in names]
    for one in found:
        models.require_callback(one)
    return [one() if isinstance(one, type) else one for one in found]
