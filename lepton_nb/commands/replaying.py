"""While a notebook is replayed, verbs only read."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from ..errors import ReplayError

__all__ = ["in_replay", "is_replayed"]

_REPLAY = "LEPTON_REPLAY"
# Those that start nothing and change nothing but what is known by its hash. A verb that is not named here is refused.
_READS = frozenset(
    {
        *(
            "data_load",
            "data_check",
            "data_profile",
            "data_drift",
            "models_list",
            "models_show",
            "runs",
            "runs_show",
            "runs_compare",
            "compare",
            "explain",
        ),
        *("deployments", "monitor", "logs", "output", "doctor", "pipeline_status", "pipeline_graph", "tune_show"),
    }
)


def is_replayed() -> bool:
    """Whether verbs only read."""
    return os.environ.get(_REPLAY) == "1"


def in_replay(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a verb, or one that refuses where LEPTON_REPLAY=1 and the verb does more than read.

    Args:
        function: of a verb.

    Raises:
        ReplayError: not here; the function that is returned raises it.
    """
    if not is_replayed() or function.__name__ in _READS:
        return function

    @functools.wraps(function)
    def refused(*_: Any, **__: Any) -> Any:
        verb = function.__name__.replace("_", " ")
        raise ReplayError(
            f"lepton {verb} starts or changes something, and is not replayed ({_REPLAY}=1)",
            expected=f"one of {', '.join(sorted(name.replace('_', ' ') for name in _READS))}",
            hint=f"unset {_REPLAY} to run it",
        )

    return refused
