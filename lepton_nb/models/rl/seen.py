"""What a trained agent sees when it acts: the examples that its package is made by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..examples import Batch, write_examples
from .environments import Environment
from .episodes import Episodes, Policy

__all__ = ["write_seen"]

_ROWS = {"train": 2048, "validation": 512}
_EPISODES = 64


def write_seen(folder: Path, environment: Environment, policy: Policy) -> None:
    """Write `examples.npz` of episodes that an agent plays without exploring.

    What it saw while it learned is not what it will be asked: most of it was seen by an agent that did not know much.

    Args:
        folder: the job's folder.
        environment: where it acts.
        policy: how.
    """
    parts = {part: [_batch(_rows(environment, part, policy, most))] for part, most in _ROWS.items()}
    write_examples(folder, parts["train"], parts["validation"], classes=environment.actions)


def _rows(environment: Environment, part: str, policy: Policy, most: int) -> NDArray[Any]:
    """Observations of all times of the episodes, [N, ...]."""
    seen = np.concatenate(list(Episodes(environment, part, _EPISODES).play(policy)))
    places = np.random.default_rng(0).permutation(len(seen))[:most]
    return seen[np.sort(places)]


def _batch(seen: NDArray[Any]) -> Batch:
    return Batch({"observation": np.ascontiguousarray(seen, np.float32)}, {})
