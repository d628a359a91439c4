"""`lepton train`, `attach` and `resume`: fit a network in a process of its own."""

from __future__ import annotations

from typing import Annotated, Any

from ..records import Run, Study
from ..workspace import current
from . import fit_options as o
from .declare import Arg
from .find import callbacks_of, network_of, options_of, run_of, study_of, training_data_of, weights_of
from .host import current_host
from .live import watch_beside

_RUN = Arg("id, unique prefix, name or last; or a study by its name.", "RUN", completes="run")


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
    augment: o.Augment = "",
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
    return _trained(dict(locals()))


def attach(
    run: Annotated[object, _RUN] = "last",
    *,
    detach: Annotated[bool, o.Opt("Return at once; the view goes on. A Voila page does so anyway.")] = False,
) -> Run | Study:
    """Show a training, or a study, as the cell that started it does, and wait for its end.

    Ctrl-C leaves it alone; `lepton stop` ends it.

    Returns:
        The run, or the study.
    """
    from .. import training
    from ..widgets import in_voila

    ws = current()
    if (study := study_of(ws, run)) is not None:
        return study if detach else training.attach_study(ws, study.name, report=current_host().report)
    found = run_of(ws, run)
    if detach or in_voila():
        watch_beside(found)
        return found
    return training.attach(ws, found.id, report=current_host().report)


def resume(run: Annotated[object, _RUN] = "last", *, detach: o.Detach = False) -> Run | Study:
    """Go on with a run that was stopped or has failed, from its last good checkpoint; or with a study.

    Returns:
        The run, under the id that it had, or the study.
    """
    from .. import training

    ws = current()
    if (study := study_of(ws, run)) is not None:
        return training.resume_study(ws, study.name, detach=detach, report=current_host().report)
    return training.resume(ws, run_of(ws, run).id, detach=detach, report=current_host().report)


def _trained(asked: dict[str, Any]) -> Run:
    """The run of what `train` was asked for, by the names of its arguments."""
    from .. import training

    ws, kind = current(), network_of(asked["network"])
    pretrained, weights = weights_of(ws, asked["start_from"])
    words = {name: value for name, value in asked.items() if name in training.FIT_OPTIONS}
    more = {"monitor": asked["monitor"] or "", "trainer": options_of(asked["trainer"]), "pretrained": pretrained}
    fit = training.Fit(**words | more)
    about: dict[str, Any] = {"name": asked["name"], "lr": asked["lr"], "options": options_of(asked["net"])}
    # Before data that is not loaded yet is written for a run that cannot be.
    training.check(kind, fit, **about)
    about |= {"weights": weights, "callbacks": callbacks_of(asked["callback"]), "detach": asked["detach"]}
    return training.train(
        ws, kind, training_data_of(ws, kind, asked["data"], asked["target"]), fit, report=current_host().report, **about
    )
