"""What network was asked for, and what it takes to build it again."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from ..records import plain
from .shipped import pack, unpack
from .zoo import build, check

__all__ = ["PICKLE", "Spec", "is_lightning", "require_lightning", "specify"]

PICKLE = "module.pkl"
_LIBRARIES = ("pytorch_lightning.", "lightning.pytorch.")
_RATES = ("lr", "learning_rate")


@dataclass(frozen=True)
class Spec:
    """A network that can be built again.

    Args:
        kind: `zoo` (by name), `class` (a LightningModule class and its arguments) or `instance`.
        name: of the network, for people.
        feature_shape: shape of one row as the network sees it.
        classes: number of classes.
        options: the arguments; for a class those filled in from the data too.
        source: the class, or the instance; None for the zoo.
    """

    kind: Literal["zoo", "class", "instance"]
    name: str
    feature_shape: tuple[int, ...]
    classes: int
    options: Mapping[str, Any] = field(default_factory=dict)
    source: Any = None

    def build(self) -> Any:
        """The network: new for the zoo and a class, the very object for an instance."""
        if self.kind == "zoo":
            return build(self.name, self.feature_shape, self.classes, **self.options)
        if self.kind == "instance":
            for name, value in self.options.items():
                setattr(self.source, name, value)
            return self.source
        try:
            return self.source(**self.options)
        except TypeError as cause:
            hint = "pass its arguments as options"
            raise UsageError(f"{self.name} cannot be built", got=str(cause), hint=hint) from cause

    def pack(self) -> bytes | None:
        """The class or the instance, for a process of this user; None for the zoo.

        Raises:
            UsageError: it holds something that cannot be pickled.
        """
        return None if self.kind == "zoo" else pack((self.source, dict(self.options)))

    def entry(self) -> dict[str, Any]:
        """What `job.json` says of it; what `pack` returned lies beside as `module.pkl`."""
        return {
            "kind": self.kind,
            "name": self.name,
            "feature_shape": list(self.feature_shape),
            "classes": self.classes,
            "options": plain(self.options),
        }

    @classmethod
    def read(cls, folder: Path, entry: Mapping[str, Any]) -> Spec:
        """The spec of a job's folder.

        Raises:
            FormatError: the pickle may not be opened, or cannot be rebuilt here.
        """
        source, options = (None, entry["options"]) if entry["kind"] == "zoo" else unpack(folder / PICKLE)
        shape = tuple(entry["feature_shape"])
        return cls(entry["kind"], entry["name"], shape, entry["classes"], options, source)


def is_lightning(value: object) -> bool:
    """Whether it is a LightningModule class or instance, of `pytorch_lightning` or `lightning.pytorch`."""
    kind = value if isinstance(value, type) else type(value)
    return any(
        base.__name__ == "LightningModule" and f"{base.__module__}.".startswith(_LIBRARIES) for base in kind.__mro__
    )


def require_lightning(value: object) -> None:
    """Refuse what is no LightningModule.

    Raises:
        UsageError: it is something else.
    """
    if not is_lightning(value):
        raise UsageError(
            f"{getattr(value, '__name__', None) or type(value).__name__} cannot be trained",
            expected="a network's name, or a LightningModule class or instance",
            got=f"a {'class' if isinstance(value, type) else type(value).__name__}",
        )


def specify(
    net: Any, feature_shape: Sequence[int], classes: int, options: Mapping[str, Any], lr: float | None = None
) -> Spec:
    """What to train, from what the user named.

    A class gets the arguments that its signature asks for by one of these names, unless `options` gives
    them: `in_features`, `input_dim`, `input_size`, `n_features`, `num_features` (numbers per row);
    `in_channels`, `input_channels`, `channels` (the first dimension of an image); `input_shape`,
    `in_shape`, `feature_shape`, `data_shape`; `num_classes`, `n_classes`, `classes`, `out_features`,
    `output_dim`, `output_size`, `n_outputs`, `num_labels`; and `lr` or `learning_rate` when a rate is given.

    Args:
        net: a name of the zoo, or a LightningModule class or instance.
        feature_shape: shape of one row as the network sees it.
        classes: number of classes.
        options: the network's own arguments.
        lr: learning rate; None leaves it to the network.

    Raises:
        UsageError: it is none of these, or cannot take such options.
    """
    shape, given = tuple(feature_shape), dict(options)
    if isinstance(net, str):
        given |= {} if lr is None else {"lr": lr}
        check(net, shape, given)
        return Spec("zoo", net, shape, classes, given)
    require_lightning(net)
    if isinstance(net, type):
        return Spec("class", net.__name__, shape, classes, _arguments(net, shape, classes, given, lr), net)
    return Spec("instance", type(net).__name__, shape, classes, _attributes(net, given, lr), net)


def _arguments(
    kind: type, shape: tuple[int, ...], classes: int, given: dict[str, Any], lr: float | None
) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    legal = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for option in given:
        if option not in legal and not takes_any:
            raise UsageError(f"{kind.__name__} has no argument {option!r}", expected=f"one of {', '.join(legal)}")
    known = _known(shape, classes)
    filled = {name: known[name] for name in legal if name in known} | given
    if lr is not None:
        filled[_rate_of(legal, f"{kind.__name__}'s arguments")] = lr
    lacking = [n for n in legal if parameters[n].default is inspect.Parameter.empty and n not in filled]
    if lacking:
        raise UsageError(
            f"{kind.__name__} needs {', '.join(lacking)}",
            expected=f"options, or arguments filled in from the data: {', '.join(known)}",
            hint=f"pass {lacking[0]} as an option, or give it a default",
        )
    return filled


def _attributes(net: Any, given: dict[str, Any], lr: float | None) -> dict[str, Any]:
    if given:
        raise UsageError(
            f"{type(net).__name__} is built already and takes no options",
            got=", ".join(given),
            hint="pass the class itself, or build the instance with them",
        )
    return {} if lr is None else {_rate_of(list(vars(net)), f"{type(net).__name__}'s attributes"): lr}


def _rate_of(names: Sequence[str], where: str) -> str:
    found = [name for name in _RATES if name in names]
    if not found:
        raise UsageError(f"no learning rate is among {where}", expected=" or ".join(_RATES), hint="leave lr out")
    return found[0]


def _known(shape: tuple[int, ...], classes: int) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(
        ("in_features", "input_dim", "input_size", "n_features", "num_features"), math.prod(shape)
    )
    if len(shape) > 1:
        known |= dict.fromkeys(("in_channels", "input_channels", "channels"), shape[0])
    known |= dict.fromkeys(("input_shape", "in_shape", "feature_shape", "data_shape"), shape)
    counts = ("num_classes", "n_classes", "classes", "num_labels", "out_features", "output_dim", "output_size")
    return known | dict.fromkeys((*counts, "n_outputs"), classes)
