"""`lepton tune`: many trainings look for the best settings of one network."""

from __future__ import annotations

from typing import Annotated, Any

from ..errors import UsageError
from ..records import Studies, Study
from ..workspace import current
from . import fit_options as o
from . import tune_options as t
from .declare import Arg
from .find import callbacks_of, network_of, options_of, training_data_of
from .host import current_host

_STUDY = Arg("name of a study, or last; all studies without one.", "[STUDY]", completes="study")


def tune(
    network: o.Network,
    *,
    data: o.Source = None,
    target: o.Target = None,
    space: t.Space = None,
    trials: t.Trials = 40,
    objective: t.Objectives = (),
    sampler: t.Sampler = "tpe",
    pruner: t.Pruner = None,
    jobs: t.Jobs = 0,
    storage: t.Storage = "",
    name: t.Name = None,
    epochs: o.Epochs = 30,
    steps: o.Steps = 0,
    lr: o.Rate = None,
    batch_size: o.BatchSize = 64,
    seed: o.Seed = 0,
    patience: o.Patience = 8,
    monitor: o.Monitor = None,
    precision: o.Precision = "auto",
    accelerator: o.Accelerator = "auto",
    on: o.Place = "local",
    clip: o.Clip = 0.0,
    accumulate: o.Accumulate = 1,
    allow_nan: o.AllowNan = False,
    callback: o.Callbacks = (),
    net: o.NetworkArguments = (),
    trainer: o.TrainerArguments = (),
    detach: o.Detach = False,
) -> Study:
    """Look for the settings that train NET best on DATA: each trial is a run, several at a time.

    A name in the space is an option of the training (lr, epochs, batch_size, clip, ...) or an argument of NET; a name
    that both have is the training's, and net.NAME is NET's. The objective is what tells the best epoch (a loss,
    of an agent its return), or what --objective names: a metric of the training, latency_ms, parameters, size_mb or
    seconds.

    The same command goes on with a study that was stopped or killed. The first Ctrl-C stops the trials.
    """
    return _tuned(dict(locals()))


def _tuned(given: dict[str, Any]) -> Study:
    """What the words of the verb come to."""
    from .. import training

    words = {name: value for name, value in given.items() if name in training.FIT_OPTIONS and name != "on"}
    fit = training.Fit(**{**words, "monitor": given["monitor"] or "", "trainer": options_of(given["trainer"])})
    named = ("trials", "sampler", "pruner", "jobs", "storage", "on")
    method = training.Method(objectives=given["objective"], **{name: given[name] for name in named})
    about: dict[str, Any] = {"lr": given["lr"], "options": options_of(given["net"])}
    ws, kind, space = current(), network_of(given["network"]), _space(given["space"])
    # Before data that is not loaded yet is written for a study that cannot be.
    training.check(kind, fit, **about)
    return training.tune(
        ws,
        kind,
        training_data_of(ws, kind, given["data"], given["target"]),
        fit,
        space,
        method,
        name=given["name"],
        callbacks=callbacks_of(given["callback"]),
        detach=given["detach"],
        report=current_host().report,
        **about,
    )


def _space(space: object) -> Any:
    """The text of a search space, or the function of the notebook that a name means."""
    if space is None:
        raise UsageError("there is nothing to search", expected="--space", hint='--space "lr=log(1e-4,1e-1)"')
    host = current_host()
    is_name = isinstance(space, str) and (host.knows(space) or (":" in space and "=" not in space))
    return host.resolve(str(space)) if is_name else space


def tune_show(study: Annotated[object, _STUDY] = None) -> Study | Studies:
    """Show a study as it stands: its trials, the best so far, and what mattered; or list all studies."""
    from .. import training

    return training.studies(current()) if study is None else training.study_of(current(), str(study))


def tune_delete(
    study: Annotated[object, Arg("name of a study.", "STUDY", completes="study")],
) -> Study:
    """Delete a study, with the runs of its trials; one that is running is refused."""
    from .. import training

    return training.delete_study(current(), str(study))
