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
from .zoo import build, check, refuse_texts, told

__all__ = [
    "PICKLE",
    "Spec",
    "asks_for_shapes",
    "has_loaders",
    "is_lightning",
    "require_callback",
    "require_lightning",
    "specify",
]

PICKLE = "module.pkl"
_LIBRARIES = ("pytorch_lightning.", "lightning.pytorch.")
_RATES = ("lr", "learning_rate")
# What the data can tell a network, by the names that signatures have for it.
_FEATURES = ("in_features", "input_dim", "input_size", "n_features", "num_features")
_CHANNELS = ("in_channels", "input_channels", "channels")
_ROW = ("input_shape", "in_shape", "feature_shape", "data_shape")
_CLASSES = (
    "num_classes", "n_classes", "classes", "num_labels", "out_features", "output_dim", "output_size", "n_outputs"
)  # fmt: skip
_VOCABULARY = ("vocabulary", "vocab_size", "vocabulary_size", "num_embeddings", "num_tokens", "n_tokens")
_SHAPES = frozenset((*_FEATURES, *_CHANNELS, *_ROW, *_CLASSES))


@dataclass(frozen=True)
class Spec:
    """A network that can be built again.

    Args:
        kind: `zoo` (by name), `class` (a LightningModule class and its arguments) or `instance`.
        name: of the network, for people.
        feature_shape: shape of one row as the network sees it.
        classes: number of classes, targets or labels.
        options: the arguments; for a class those filled in from the data too.
        source: the class, or the instance; None for the zoo.
        task: what a network of the zoo is asked for.
    """

    kind: Literal["zoo", "class", "instance"]
    name: str
    feature_shape: tuple[int, ...]
    classes: int
    options: Mapping[str, Any] = field(default_factory=dict)
    source: Any = None
    task: str = "classification"

    def build(self) -> Any:
        """The network: new for the zoo and a class, the very object for an instance."""
        if self.kind == "zoo":
            return build(self.name, self.feature_shape, self.classes, self.task, **self.options)
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
            "task": self.task,
        }

    @classmethod
    def read(cls, folder: Path, entry: Mapping[str, Any]) -> Spec:
        """The spec of a job's folder.

        Raises:
            FormatError: the pickle may not be opened, or cannot be rebuilt here.
        """
        source, options = (None, entry["options"]) if entry["kind"] == "zoo" else unpack(folder / PICKLE)
        shape = tuple(entry["feature_shape"])
        task = entry.get("task", "classification")
        return cls(entry["kind"], entry["name"], shape, entry["classes"], options, source, task)


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


def require_callback(value: object) -> None:
    """Refuse what is no Lightning callback, class or instance.

    Raises:
        UsageError: it is something else.
    """
    kind = value if isinstance(value, type) else type(value)
    if not any(one.__name__ == "Callback" and f"{one.__module__}.".startswith(_LIBRARIES) for one in kind.__mro__):
        raise UsageError(f"{kind.__name__} is no callback", expected="a Lightning Callback of this notebook")


def has_loaders(net: Any) -> bool:
    """Whether a LightningModule, class or instance, brings the data that it is trained on."""
    kind = net if isinstance(net, type) else type(net)
    owner = next((one for one in kind.__mro__ if "train_dataloader" in vars(one)), None)
    return owner is not None and not f"{owner.__module__}.".startswith(_LIBRARIES)


def asks_for_shapes(net: Any) -> bool:
    """Whether a network must know the shape of a row, or the number of classes, before it can be built."""
    return isinstance(net, str) or (isinstance(net, type) and not _SHAPES.isdisjoint(inspect.signature(net).parameters))


def specify(
    net: Any,
    feature_shape: Sequence[int] | None,
    classes: int | None,
    options: Mapping[str, Any],
    lr: float | None = None,
    *,
    task: str = "",
    about: Mapping[str, Any] | None = None,
) -> Spec:
    """What to train, from what the user named.

    A class gets the arguments that its signature asks for by one of these names, unless `options` gives
    them: `in_features`, `input_dim`, `input_size`, `n_features`, `num_features` (numbers per row);
    `in_channels`, `input_channels`, `channels` (the first dimension of an image); `input_shape`,
    `in_shape`, `feature_shape`, `data_shape`; `num_classes`, `n_classes`, `classes`, `out_features`,
    `output_dim`, `output_size`, `n_outputs`, `num_labels`; of texts `vocabulary`, `vocab_size`, `vocabulary_size`,
    `num_embeddings`, `num_tokens`, `n_tokens`; and `lr` or `learning_rate` when a rate is given.

    Args:
        net: a name of the zoo, or a LightningModule class or instance.
        feature_shape: shape of one row as the network sees it; None when it is not known.
        classes: number of classes, targets or labels; None when it is not known.
        options: the network's own arguments.
        lr: learning rate; None leaves it to the network.
        task: what the data asks for; empty when that is not known.
        about: what else the data tells a network that has such options.

    Raises:
        UsageError: it is none of these, or cannot take such options.
    """
    about = about or {}
    known, given = _known(feature_shape, classes, about.get("vocabulary")), dict(options)
    shape, classes = tuple(feature_shape or ()), classes or 0
    if isinstance(net, str):
        if not shape or not classes:
            raise UsageError(
                f"{net} cannot be built for this data",
                expected="data whose rows have one shape and whose targets are classes",
                hint="load it with lepton data load, or pass a LightningModule",
            )
        if "vocabulary" in about:
            refuse_texts(net)
        given = {key: about[key] for key in about if key in told(net)} | given | ({} if lr is None else {"lr": lr})
        check(net, shape, given, task, classes if task else 0)
        return Spec("zoo", net, shape, classes, given, task=task or "classification")
    require_lightning(net)
    if isinstance(net, type):
        return Spec("class", net.__name__, shape, classes, _arguments(net, known, given, lr), net)
    return Spec("instance", type(net).__name__, shape, classes, _attributes(net, given, lr), net)


def _arguments(kind: type, known: Mapping[str, Any], given: dict[str, Any], lr: float | None) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    legal = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for option in given:
        if option not in legal and not takes_any:
            raise UsageError(f"{kind.__name__} has no argument {option!r}", expected=f"one of {', '.join(legal)}")
    filled = {name: known[name] for name in legal if name in known} | given
    if lr is not None:
        filled[_rate_of(legal, f"{kind.__name__}'s arguments")] = lr
    lacking = [n for n in legal if parameters[n].default is inspect.Parameter.empty and n not in filled]
    if lacking:
        raise UsageError(
            f"{kind.__name__} needs {', '.join(lacking)}",
            expected=f"options, or arguments filled in from the data: {', '.join(known) or 'none for this data'}",
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


def _known(shape: Sequence[int] | None, classes: int | None, vocabulary: int | None) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(_VOCABULARY, vocabulary) if vocabulary else {}
    if shape is not None:
        known |= dict.fromkeys(_FEATURES, math.prod(shape)) | dict.fromkeys(_ROW, tuple(shape))
        known |= dict.fromkeys(_CHANNELS, shape[0]) if len(shape) > 1 else {}
    return known | (dict.fromkeys(_CLASSES, classes) if classes is not None else {})
