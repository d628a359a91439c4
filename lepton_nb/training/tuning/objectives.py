"""What a study looks for, from the words of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import UsageError, near
from ...records import Objective, better, monitored

__all__ = ["ANY_LOSS", "MEASURED", "measured_in", "objectives_of"]

# What is measured on the trained network, and not by the training itself: less of each is better.
MEASURED = ("latency_ms", "parameters", "size_mb", "seconds")
# Stands for the loss that tells the best epoch, where a network's names for its losses are not known before.
ANY_LOSS = "loss"
_DIRECTIONS = {"min": "min", "max": "max", "minimize": "min", "maximize": "max"}


def objectives_of(words: Sequence[str], default: str) -> tuple[Objective, ...]:
    """The objectives, the default one where none is named.

    Args:
        words: `NAME` or `NAME:min` or `NAME:max`.
        default: name of the metric that is looked for when there are none.

    Raises:
        UsageError: a word is none, is there twice, or does not tell which values are better.

    Example:
        >>> objectives_of(["val_accuracy", "latency_ms:min"], "val_loss")
        (Objective(name='val_accuracy', direction='max'), Objective(name='latency_ms', direction='min'))
    """
    found: dict[str, Objective] = {}
    for word in words or (default,):
        name, _, direction = word.partition(":")
        if not name:
            raise UsageError(f"objective {word!r} has no name", expected="NAME, NAME:min or NAME:max")
        if name in found:
            raise UsageError(f"objective {name!r} is there twice", expected="each once")
        if direction and direction not in _DIRECTIONS:
            raise UsageError(
                f"objective {word!r}: {direction!r} is no direction",
                expected="min or max",
                hint=near(direction, _DIRECTIONS),
            )
        turn = _DIRECTIONS.get(direction) or ("min" if name in MEASURED else _usual(name))
        found[name] = Objective(name, "max" if turn == "max" else "min")
    return tuple(found.values())


def measured_in(metrics: Mapping[str, float], objectives: Sequence[Objective]) -> dict[str, float]:
    """The values of the objectives among what an epoch has measured.

    Args:
        metrics: at the end of an epoch.
        objectives: of the study; those of `MEASURED` are left out.

    Raises:
        UsageError: one was not measured.
    """
    found: dict[str, float] = {}
    for one in objectives:
        name = monitored(metrics) if one.name == ANY_LOSS and ANY_LOSS not in metrics else one.name
        if one.name in MEASURED:
            continue
        if name is None or name not in metrics:
            raise UsageError(
                f"objective {one.name!r} is not measured by this network",
                expected=f"one of {', '.join((*sorted(metrics), *MEASURED))}",
                hint=near(one.name, [*metrics, *MEASURED]),
            )
        found[one.name] = metrics[name]
    return found


def _usual(name: str) -> str:
    side = better(name)
    if not side:
        raise UsageError(
            f"objective {name!r} does not tell which values are better", expected=f"{name}:min or {name}:max"
        )
    return "min" if side == "lower" else "max"
