"""A trained network, from the folder of the run that trained it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..errors import FormatError, NotFoundError
from ..workspace import read_json
from .rl import Environment, environment
from .spec import Spec
from .weights import load_weights
from .zoo import is_agent

__all__ = ["environment_of", "load_trained"]


def load_trained(run_dir: Path) -> Any:
    """The network of a run with its best weights.

    Args:
        run_dir: the run's job folder, with `job/job.json` and `weights.safetensors`.

    Returns:
        A LightningModule in evaluation mode, on the CPU.

    Raises:
        NotFoundError: the run has no weights (yet).
        FormatError: a file is broken, or a pickle may not be opened.
    """
    job, weights = run_dir / "job", run_dir / "weights.safetensors"
    if not weights.is_file() or not (job / "job.json").is_file():
        raise NotFoundError(
            f"{run_dir} holds no trained network",
            expected="job/job.json and weights.safetensors",
            hint="wait for the run's first epoch, or train again",
        )
    module = _spec(job).build()
    load_weights(weights, module)
    return module.cpu().eval()


def environment_of(run_dir: Path) -> Environment | None:
    """Where the agent of a run acts; None for a run that is no agent's.

    Args:
        run_dir: the run's job folder.

    Raises:
        FormatError: a file is broken, or a pickle may not be opened.
    """
    job = run_dir / "job"
    try:
        net = read_json(job / "job.json")["net"]
    except (FileNotFoundError, KeyError):
        return None
    if net.get("kind") != "zoo" or not is_agent(net.get("name")):
        return None
    spec = _spec(job)
    return environment(spec.source or spec.options["environment"])


def _spec(job: Path) -> Spec:
    entry = read_json(job / "job.json")
    try:
        # What a pickle names by import must be found where the notebook found it.
        sys.path.extend(place for place in entry["sys_path"] if place not in sys.path)
        return Spec.read(job, entry["net"])
    except (KeyError, TypeError) as cause:
        raise FormatError(
            f"{job / 'job.json'} is not readable", expected="the job of a trainer", got=str(cause), hint="train again"
        ) from cause
