"""A trained network, from the folder of the run that trained it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..errors import FormatError, NotFoundError
from ..workspace import read_json
from .spec import Spec
from .weights import load_weights

__all__ = ["load_trained"]


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
    entry = read_json(job / "job.json")
    try:
        # What a pickle names by import must be found where the notebook found it.
        sys.path.extend(place for place in entry["sys_path"] if place not in sys.path)
        spec = Spec.read(job, entry["net"])
    except (KeyError, TypeError) as cause:
        raise FormatError(
            f"{job / 'job.json'} is not readable", expected="the job of a trainer", got=str(cause), hint="train again"
        ) from cause
    module = spec.build()
    load_weights(weights, module)
    return module.cpu().eval()
