"""`lepton train`, `attach` and `resume`: fit a network in a process of its own."""

from __future__ import annotations

from typing import Annotated, Any

from ..records import Run
from ..workspace import Workspace, current
from . import fit_options as o
from .declare import Arg
from .find import data_of, network_of, options_of, run_of, source_of, weights_of
from .host import current_host
from .live import watch_beside

_RUN = Arg("id, unique prefix, name or last.", "RUN", completes="run")


def train(
    network: o.Network,
    *,
    data: o.Source = None,
    target: o.Target = None,
    name: Annotated[str | None, o.Opt("A name for the run.")] = None,
    epochs: o.Epochs = 30,
    steps: o.Steps = 0,
    lr: o.Rate = None,
    batch_size: o.BatchSize = 64,
    seed: o.Seed = 0,
    patience: o.Patience = 8,
    monitor: o.Monitor = None,
    precision: o.Precision = "auto",
    accelerator: o.Accelerator = "auto",
    devices: o.Devices = 1,
    on: o.Place = "local",
    workers: o.Workers = 0,
    clip: o.Clip = 0.0,
    accumulate: o.Accumulate = 1,
    checkpoint_every: o.CheckpointEvery = 30.0,
    allow_nan: o.AllowNan = False,
    start_from: o.StartFrom = None,
    head: o.Head = "",
    freeze: o.Freeze = "",
    unfreeze_at: o.UnfreezeAt = 0,
    layer_decay: o.LayerDecay = 1.0,
    callback: o.Callbacks = (),
    net: o.NetworkArguments = (),
    trainer: o.TrainerArguments = (),
    detach: o.Detach = False,
) -> Run:
    """Train NET on DATA, keep the best weights, and record the run.

    The training has a process of its own: it goes on when the notebook, the browser or this program ends. The first
    Ctrl-C finishes the batch and keeps the best weights; the second one kills the trainer.

    Returns:
        The run; a network given as an instance holds the best weights afterwards.
    """
    from .. import training

    words = {name: value for name, value in locals().items() if name in training.FIT_OPTIONS}
    ws = current()
    known, weights = weights_of(ws, start_from)
    fit = training.Fit(**{**words, "monitor": monitor or "", "trainer": options_of(trainer), "pretrained": known})
    kind = network_of(network)
    about: dict[str, Any] = {"name": name, "lr": lr, "options": options_of(net)}
    # Before data that is not loaded yet is written for a run that cannot be.
    training.check(kind, fit, **about)
    callbacks, report = _callbacks(callback), current_host().report
    return training.train(
        ws,
        kind,
        _data(ws, data, target),
        fit,
        weights=weights,
        callbacks=callbacks,
        detach=detach,
        report=report,
        **about,
    )


def attach(
    run: Annotated[object, _RUN] = "last",
    *,
    detach: Annotated[bool, o.Opt("Return at once; the view goes on. A Voila page does so anyway.")] = False,
) -> Run:
    """Show a training as the cell that started it does, and wait for its end.

    Ctrl-C leaves it alone; `lepton stop` ends it.

    Returns:
        The run.
    """
    from .. import training
    from ..widgets import in_voila

    ws = current()
    found = run_of(ws, run)
    if detach or in_voila():
        watch_beside(found)
        return found
    return training.attach(ws, found.id, report=current_host().report)


def resume(run: Annotated[object, _RUN] = "last", *, detach: o.Detach = False) -> Run:
    """Go on with a run that was stopped or has failed, from its last good checkpoint.

    Returns:
        The run, under the id that it had.
    """
    from .. import training

    ws = current()
    return training.resume(ws, run_of(ws, run).id, detach=detach, report=current_host().report)


def _data(ws: Workspace, data: object, target: str | None) -> Any:
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
