"""How an agent learns: the options of `dqn`, what each may be, and what it is where nobody says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from ...errors import UsageError
from .layouts import ACTIONS

__all__ = ["AGENT_OPTIONS", "NETWORKS", "defaults"]

NETWORKS = ("auto", "mlp", "planner")
_WIDEST = 65536


def _is_whole(value: object, least: int, most: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and least <= int(value) <= most


def _whole(least: int, most: int) -> tuple[Callable[[Any], bool], str]:
    return lambda value: _is_whole(value, least, most), f"a whole number from {least} to {most}"


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _are_widths(value: object) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return all(_is_whole(one, 1, _WIDEST) for one in value)


_SHARE = (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1")
_TRUTH = (lambda value: isinstance(value, bool), "true or false")

# Each option with what it may be, and how that is told.
AGENT_OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "environment": (
        lambda value: isinstance(value, str) or callable(value),
        "an environment's name, or what makes one",
    ),
    "network": (lambda value: isinstance(value, str) and value in NETWORKS, f"one of {', '.join(NETWORKS)}"),
    "hidden": (_are_widths, f"a list of whole numbers from 1 to {_WIDEST}, or one of them"),
    "channels": _whole(1, 1024),
    "sweeps": _whole(1, 4096),
    "lr": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "gamma": _SHARE,
    "double": _TRUTH,
    "duelling": _TRUTH,
    "prioritised": _TRUTH,
    "n_step": _whole(1, 100),
    "batch": _whole(1, 2**20),
    "envs": _whole(1, 4096),
    "train_every": (lambda value: _is_number(value) and 0 < value <= 10**6, "a number above 0"),
    "buffer": _whole(1, 10**8),
    "warmup": _whole(1, 10**8),
    "target_every": _whole(1, 10**6),
    "epsilon_end": _SHARE,
    "epsilon_steps": _whole(1, 10**9),
    "epoch_steps": _whole(1, 10**6),
    "episodes": _whole(1, 10**4),
    "enough": (lambda value: value is None or _is_number(value), "a return, as a number"),
}

_ALL: dict[str, Any] = {
    "gamma": 0.99,
    "double": True,
    "duelling": False,
    "prioritised": False,
    "epsilon_end": 0.05,
    "enough": None,
}
_MLP: dict[str, Any] = {
    "hidden": (256, 256),
    "channels": 1,
    "sweeps": 1,
    "lr": 1e-3,
    "n_step": 10,
    "batch": 128,
    "envs": 64,
    "train_every": 32,
    "buffer": 50_000,
    "warmup": 1000,
    "target_every": 50,
    "epsilon_steps": 500,
    "epoch_steps": 250,
    "episodes": 100,
}
_PLANNER: dict[str, Any] = {
    "hidden": (32,),
    "channels": 1,
    "lr": 5e-3,
    "n_step": 3,
    "batch": 64,
    "envs": 64,
    "train_every": 32,
    "buffer": 50_000,
    "warmup": 2000,
    "target_every": 20,
    "epsilon_steps": 300,
    "epoch_steps": 200,
    "episodes": 100,
}


def defaults(feature_shape: tuple[int, ...], given: Mapping[str, Any], actions: Sequence[str]) -> dict[str, Any]:
    """Every option, those that were given as they are.

    Args:
        feature_shape: shape of an observation.
        given: what was asked for; None where nothing was.
        actions: what may be done.

    Raises:
        UsageError: there is no planner for such observations or actions.
    """
    given = {name: value for name, value in given.items() if value is not None}
    kind = given.get("network", "auto")
    is_grid = len(feature_shape) == 3 and tuple(actions) == ACTIONS and all(one % 2 for one in feature_shape[1:])
    if kind == "planner" and not is_grid:
        raise UsageError(
            "a planner takes the planes of a grid",
            expected=f"observations [planes, 2 H + 1, 2 W + 1] and the actions {', '.join(ACTIONS)}",
            got=f"{feature_shape} and {', '.join(actions)}",
            hint="--net network=mlp",
        )
    kind = ("planner" if is_grid else "mlp") if kind == "auto" else kind
    if kind == "planner" and "hidden" in given and not given["hidden"]:
        raise UsageError("a planner without a hidden layer", expected="one width", hint="--net hidden=32")
    own = _MLP if kind == "mlp" else {**_PLANNER, "sweeps": (feature_shape[-1] + feature_shape[-2]) * 5 // 8}
    return {**_ALL, **own, **given, "network": kind}
