"""The options of `lepton tune` that are no options of a training."""

from __future__ import annotations

from typing import Annotated, Literal

from .declare import Opt

__all__ = ["Jobs", "Name", "Objectives", "Pruner", "Sampler", "Space", "Storage", "Trials"]

Space = Annotated[
    object, Opt('What is searched, such as "lr=log(1e-4,1e-1) hidden=[32,64,128]", or a function of this notebook.')
]
Trials = Annotated[int, Opt("Trials in all.")]
Objectives = Annotated[tuple[str, ...], Opt("NAME, NAME:min or NAME:max; repeatable.", "NAME")]
Sampler = Annotated[Literal["tpe", "random", "cmaes", "gp", "qmc", "nsga2"], Opt("Of Optuna; chooses what is tried.")]
Pruner = Annotated[
    Literal["median", "hyperband", "halving", "none"] | None,
    Opt("Of Optuna; stops early what is worse (default with one objective: median, on Ray halving)."),
]
Jobs = Annotated[int, Opt("Trials at a time; 0: one per processor, or per GPU.")]
Storage = Annotated[str, Opt("Of Optuna, shared with others (default: a file of the study).", "URL")]
Name = Annotated[str | None, Opt("A name for the study.")]
