"""What a name that is searched sets: an option of the training, or an argument of the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import UsageError, near
from ...models import arguments
from ..options import FIT_OPTIONS, Fit, check_rate

__all__ = ["NETWORK", "SEARCHED", "Settings", "asked_of", "check_names", "settings_of"]

# A name that both have is the training's; with this before it, it is the network's.
NETWORK = "net."
# Options of a training that can be searched; the others say where and how it runs, not what it learns.
SEARCHED = ("epochs", "batch_size", "seed", "patience", "steps", "precision", "clip", "accumulate")


@dataclass(frozen=True)
class Settings:
    """How one trial trains.

    Args:
        fit: how to fit.
        lr: learning rate; None leaves it to the network.
        options: arguments of the network.
    """

    fit: Fit
    lr: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def settings_of(values: Mapping[str, Any], base: Settings) -> Settings:
    """What the values of a trial come to.

    Args:
        values: by the names that are searched, which `check_names` has seen.
        base: what is the same in all trials.

    Raises:
        UsageError: a value makes no sense.
    """
    fit = {name: _whole(value) for name, value in values.items() if name in SEARCHED}
    own = {name: value for name, value in values.items() if name not in (*SEARCHED, "lr")}
    lr = values.get("lr", base.lr)
    check_rate(lr)
    options = {name.removeprefix(NETWORK): value for name, value in own.items()}
    return Settings(dataclasses.replace(base.fit, **fit), lr, {**base.options, **options})


def check_names(names: Iterable[str], net: Any, base: Settings) -> None:
    """Refuse names that set nothing, or what is set already.

    Args:
        names: that are searched.
        net: a network's name, or a LightningModule class or instance.
        base: what is the same in all trials.

    Raises:
        UsageError: one of them will not do.
    """
    own = arguments(net)
    legal = ("lr", *SEARCHED, *(own or ()))
    for name in names:
        plain = name.removeprefix(NETWORK)
        is_own = name.startswith(NETWORK) or (name not in SEARCHED and name != "lr")
        if is_own and name in FIT_OPTIONS:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{name!r} is not searched", expected=f"one of {', '.join(legal)}", hint=f"it is an option: {option}"
            )
        if is_own and own is not None and plain not in own:
            raise UsageError(
                f"{name!r} is neither an option of the training nor an argument of the network",
                expected=f"one of {', '.join(dict.fromkeys(legal))}",
                hint=near(plain, legal),
            )
        if (is_own and plain in base.options) or (name == "lr" and base.lr is not None):
            raise UsageError(f"{name!r} is given and searched", expected="one of the two", hint=f"leave out {name}")


def asked_of(space: Callable[[Any], Any], trial: Any) -> dict[str, Any]:
    """The values that a space gives an Optuna trial.

    Raises:
        UsageError: a function of a notebook failed, or gave something else.
    """
    try:
        values = space(trial)
    except Exception as cause:
        raise UsageError("the space's function failed", got=f"{type(cause).__name__}: {cause}") from cause
    if not isinstance(values, dict) or not values or not all(isinstance(name, str) for name in values):
        raise UsageError(
            "the space's function gave no settings",
            expected="a dict of values by name, such as {'lr': trial.suggest_float('lr', 1e-4, 1e-1, log=True)}",
            got=type(values).__name__ if not isinstance(values, dict) else repr(values)[:100],
        )
    return values


def _whole(value: Any) -> Any:
    """A float that is a whole number as one: a function of a notebook may divide."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
