"""The state of everything that draws at random, as plain values and tensors that load without code."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["random_state", "seed_all", "set_random_state"]


def seed_all(seed: int) -> None:
    """Start Python's, NumPy's and torch's global generators anew."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 -- it is what users' code draws from
    torch.manual_seed(seed)


def random_state(generators: Sequence[torch.Generator] = ()) -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators, and of some more.

    Args:
        generators: torch generators of somebody's own.
    """
    version, words, gauss = random.getstate()
    _, keys, place, has_gauss, cached = np.random.get_state()  # noqa: NPY002 -- it is what users' code draws from
    return {
        "python": [version, torch.tensor(words, dtype=torch.int64), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(place), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "others": [one.get_state() for one in generators],
    }


def set_random_state(state: Mapping[str, Any], generators: Sequence[torch.Generator] = ()) -> None:
    """Put back what `random_state` returned.

    Args:
        state: the states.
        generators: those that it was called with.
    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    keys, place, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), place, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    for generator, its in zip(generators, state["others"], strict=True):
        generator.set_state(its)
