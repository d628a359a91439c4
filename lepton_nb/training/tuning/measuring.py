"""What a study may look for beside quality, measured on a trained network: `python -m ... RUN_FOLDER`.

A process of its own: what a network leaves in memory, or breaks, is gone with it.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from ... import data
from ...errors import DataError
from ...models import EXAMPLES, Environment, load_trained, read_examples
from ...workspace import Workspace, write_json
from ..job import Job
from .attempt import RESULT

__all__ = ["measure"]

_LEAST, _SECONDS = 30, 0.3


def measure(folder: Path) -> dict[str, float]:
    """How long one row takes, and how large the network is.

    Args:
        folder: of a run that has weights.

    Returns:
        `latency_ms`: median milliseconds of one row on one thread of the CPU; `parameters`: their number; `size_mb`:
        megabytes (1e6 bytes) of the weights.

    Raises:
        LeptonError: the network or a row cannot be had.
    """
    import torch

    torch.set_num_threads(1)
    module = load_trained(folder).eval()
    inputs, named = _row(folder, module)
    taken: list[float] = []
    with torch.inference_mode():
        begin = time.perf_counter()
        while len(taken) < _LEAST or time.perf_counter() - begin < _SECONDS:
            before = time.perf_counter()
            module(*inputs, **named)
            taken.append(time.perf_counter() - before)
    return {
        # The first ones also load what is used.
        "latency_ms": 1e3 * statistics.median(taken[_LEAST // 3 :]),
        "parameters": float(sum(one.numel() for one in module.parameters())),
        "size_mb": (folder / "weights.safetensors").stat().st_size / 1e6,
    }


def _row(folder: Path, module: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs of one row, as `forward` takes them: by place, and by name."""
    import torch

    if isinstance(place := getattr(module, "environment", None), Environment):
        # How long a network takes does not depend on what it sees.
        return (torch.zeros(1, *place.feature_shape),), {}
    job = Job.read(folder)
    if not job.loaders:
        found = data.find(Workspace(job.home), job.data)
        values, _ = data.features(found, "validation" if found.rows.get("validation") else "train")
        return (torch.from_numpy(values[:1]),), {}
    examples = read_examples(folder / "job" / EXAMPLES)
    if examples is None or not examples.held_out:
        raise DataError("no row of this training was kept to be measured with", hint="a loaded data set has rows")
    batch = examples.held_out[0]
    return (), {name: torch.from_numpy(values[:1]) for name, values in batch.inputs.items()}


if __name__ == "__main__":
    write_json(Path(sys.argv[1]) / RESULT, dict(measure(Path(sys.argv[1]))), mode=0o600)
