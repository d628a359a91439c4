"""`lepton tune`: many trainings look for the best settings of one network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ..errors import UsageError
from ..records import Studies, Study
from ..workspace import current
from . import fit_options as o
from .declare import Arg, Opt
from .find import callbacks_of, network_of, options_of, training_data_of
from .host import current_host

_SPACE = Opt('What is searched, such as "lr=log(1e-4,1e-1) hidden=[32,64,128]", or a function of this notebook.')
_STUDY = Arg("name of a study, or last; all studies without one.", "[STUDY]", completes="study")


def tune(
    network: o.Network,
    *,
    data: o.Source = None,
    target: o.Target = None,
    space: Annotated[object, _SPACE] = None,
    trials: Annotated[int, Opt("Trials in all.")] = 40,
    objective: Annotated[tuple[str, ...], Opt("NAME, NAME:min or NAME:max; repeatable.", "NAME")] = (),
    sampler: Annotated[
        Literal["tpe", "random", "cmaes", "gp", "qmc", "nsga2"], Opt("Optuna's, chooses what is tried.")
    ] = "tpe",
    pruner: Annotated[
        Literal["median", "hyperband", "halving", "none"] | None,
        Opt("Optuna's, stops early what is worse (default: median, with one objective)."),
    ] = None,
    jobs: Annotated[int, Opt("Trials at a time; 0: one per processor, or per GPU.")] = 0,
    storage: Annotated[str, Opt("Of Optuna, shared with others; default: a file of the study.", "URL")] = "",
    name: Annotated[str | None, Opt("A name for the study.")] = None,
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
    that both have is the training's, and net.NAME is NET's. The objective is the loss that tells the best epoch, or
    what --objective names: a metric of the training, latency_ms, parameters, size_mb or seconds.

    The same command goes on with a study that was stopped or killed. The first Ctrl-C stops the trials.

    Returns:
        The study, whose best run is registered.
    """
    from .. import training

    words = {name: value for name, value in locals().items() if name in training.FIT_OPTIONS and name != "on"}
    fit = training.Fit(**{**words, "monitor": monitor or "", "trainer": options_of(trainer)})
    ws, host, kind = current(), current_host(), network_of(network)
    searched: Any = space
    if isinstance(space, str) and (host.knows(space) or (":" in space and "=" not in space)):
        searched = host.resolve(space)
    if searched is None:
        raise UsageError("there is nothing to search", expected="--space", hint='--space "lr=log(1e-4,1e-1)"')
    about: dict[str, Any] = {"lr": lr, "options": options_of(net)}
    training.check(kind, fit, **about)
    return training.tune(
        ws,
        kind,
        training_data_of(ws, kind, data, target),
        fit,
        searched,
        trials=trials,
        objectives=objective,
        sampler=sampler,
        pruner=pruner,
        jobs=jobs,
        storage=storage,
        name=name,
        callbacks=callbacks_of(callback),
        on=on,
        detach=detach,
        report=host.report,
        **about,
    )


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
