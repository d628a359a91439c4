"""What network was asked for, and what it takes to build it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from ..records import plain
from .shipped import pack, unpack
from .zoo import build

__all__ = ["PICKLE", "Spec", "has_loaders", "is_lightning", "require_callback", "require_lightning"]

PICKLE = "module.pkl"


_LIBRARIES = ("pytorch_lightning.", "lightning.pytorch.")


@dataclass(frozen=True)
class Spec:
    """A network that can be built again.

    Args:
        kind: `zoo` (by name), `class` (a LightningModule class and its arguments) or `instance`.
        name: of the network, for people.
        feature_shape: shape of one row as the network sees it.
        classes: number of classes, targets or labels.
        options: the arguments; for a class those filled in from the data too.
        source: the class, or the instance; of an agent what makes its environment, where that has no name; else None.
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
            made = {} if self.source is None else {"environment": self.source}
            return build(self.name, self.feature_shape, self.classes, self.task, **{**self.options, **made})
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
        """The class or the instance, for a process of this user; None for what has a name.

        Raises:
            UsageError: it holds something that cannot be pickled.
        """
        named = self.kind == "zoo" and self.source is None
        return None if named else pack((self.source, dict(self.options)))

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
        packed = entry["kind"] != "zoo" or (folder / PICKLE).is_file()
        source, options = unpack(folder / PICKLE) if packed else (None, entry["options"])
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
