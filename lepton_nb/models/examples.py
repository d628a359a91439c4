"""Some rows of what a training was fed with, in the run's folder: what the network takes, by the names of `forward`.

A batch is `(inputs..., targets)`, `((inputs...), targets)`, `(inputs, targets)` whose inputs are named, or one mapping
of which the names that `forward` has are inputs and the others are targets.
"""

from __future__ import annotations

import inspect
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, UsageError
from ..workspace import file_sha256, write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EXAMPLES", "Batch", "Examples", "assigned", "read_examples", "write_examples"]

EXAMPLES = "examples.npz"
_FAULT, _LAYOUT, _CLASSES = "fault", "layout", "classes"
_TAKEN = "a batch of (inputs, targets), or a mapping by the names of forward's arguments"


@dataclass(frozen=True)
class Batch:
    """Some rows.

    Args:
        inputs: by the names of forward's arguments, [N, ...] each.
        targets: what was to be answered, by names where it had some, else by numbers, [N, ...] each.
        layout: how its loader gave them, as JSON; empty where that cannot be written down.
    """

    inputs: Mapping[str, NDArray[Any]]
    targets: Mapping[str, NDArray[Any]]
    layout: str = ""

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.inputs.values())))

    def given(self) -> Any:
        """The batch as its loader gave it, of torch's tensors; None where that is not known."""
        return _given(json.loads(self.layout), self) if self.layout else None


@dataclass(frozen=True)
class Examples:
    """What a training saw.

    Args:
        id: SHA-256 of the file (hexadecimal).
        train: batches of the training part.
        validation: batches that the network did not learn from.
        fault: why there are none; empty where there are some.
        classes: names of what the network tells apart, where it says so.
    """

    id: str
    train: tuple[Batch, ...] = ()
    validation: tuple[Batch, ...] = ()
    fault: str = ""
    classes: tuple[str, ...] = ()

    @property
    def held_out(self) -> tuple[Batch, ...]:
        """Batches to compare answers on: of validation where there was one."""
        return self.validation or self.train

    @property
    def part(self) -> str:
        """Which part the batches to compare answers on are of."""
        return "validation" if self.validation else "train"


def assigned(network: Any, batch: Any) -> Batch:
    """Which part of a batch is which argument of a network's `forward`.

    Args:
        network: a module.
        batch: as its loader gave it: tensors or arrays, in tuples, lists or mappings.

    Raises:
        UsageError: it cannot be told.

    Example:
        >>> import numpy as np
        >>> class Net:
        ...     def forward(self, left, right): ...
        >>> made = assigned(Net(), (np.zeros((2, 3)), np.ones((2, 1)), np.array([0, 1])))
        >>> list(made.inputs), list(made.targets)
        (['left', 'right'], ['0'])
    """
    names, needed = _arguments(network)
    if isinstance(batch, Mapping):
        given = {name: batch[name] for name in names if name in batch}
        rest: Any = {str(name): value for name, value in batch.items() if name not in given}
    elif isinstance(batch, (tuple, list)) and len(batch) > 1:
        first = batch[0]
        if len(batch) == 2 and isinstance(first, Mapping):
            given, rest = {name: first[name] for name in names if name in first}, batch[1]
        elif len(batch) == 2 and isinstance(first, (tuple, list)):
            given, rest = dict(zip(names, first, strict=False)), batch[1]
        else:
            count = min(len(names), len(batch) - 1)
            given = dict(zip(names[:count], batch, strict=False))
            rest = batch[count] if len(batch) == count + 1 else batch[count:]
    else:
        given, rest = dict(zip(names, batch if isinstance(batch, (tuple, list)) else [batch], strict=False)), ()
    if missing := [name for name in names[:needed] if name not in given]:
        raise UsageError(
            f"argument {missing[0]!r} of forward is not in the batch",
            expected=_TAKEN,
            got=f"{', '.join(given) or 'none'}",
        )
    inputs = {name: _array(value, name) for name, value in given.items() if value is not None}
    if not inputs or any(one.ndim == 0 for one in inputs.values()) or len({len(one) for one in inputs.values()}) != 1:
        raise UsageError("the inputs of a batch have no common number of rows", expected="[rows, ...] each")
    targets = _named(rest)
    found = {name: _array(value, name) for name, value in targets.items()}
    return Batch(inputs, found, _layout(batch, {"inputs": given, "targets": targets}))


def _arguments(network: Any) -> tuple[list[str], int]:
    """Names of forward's arguments, and how many of them have no default."""
    parameters = list(inspect.signature(network.forward).parameters.values())
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY) for one in parameters):
        raise UsageError(
            "the arguments of forward have no names", expected="named arguments, such as forward(self, tokens, mask)"
        )
    needed = sum(one.default is one.empty for one in parameters)
    return [one.name for one in parameters], needed


def _named(rest: Any) -> dict[str, Any]:
    """The targets among what is no input: what is no number is no target that anybody could compare with."""
    named = (
        rest.items() if isinstance(rest, Mapping) else enumerate(rest if isinstance(rest, (tuple, list)) else [rest])
    )
    return {str(name): value for name, value in named if len(getattr(value, "shape", ()))}


def _layout(batch: Any, parts: Mapping[str, Mapping[str, Any]]) -> str:
    """How the parts of a batch lie in it; empty where it holds something else, too."""
    places = {id(value): [part, name] for part, named in parts.items() for name, value in named.items()}

    def told(value: Any) -> Any:
        if id(value) in places:
            return places[id(value)]
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return {name: told(one) for name, one in value.items()}
        if type(value) in (tuple, list):
            return [type(value).__name__, [told(one) for one in value]]
        if value is None or isinstance(value, (bool, int, float, str)):
            return ["plain", value]
        raise TypeError(type(value).__name__)

    try:
        return json.dumps(told(batch))
    except (TypeError, RecursionError):
        return ""


def _given(layout: Any, batch: Batch) -> Any:
    import torch

    if isinstance(layout, dict):
        return {name: _given(one, batch) for name, one in layout.items()}
    kind, value = layout
    if kind in ("tuple", "list"):
        made = [_given(one, batch) for one in value]
        return tuple(made) if kind == "tuple" else made
    return value if kind == "plain" else torch.from_numpy(getattr(batch, kind)[value].copy())


def _array(value: Any, name: str) -> NDArray[Any]:
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) in ("torch.bfloat16", "torch.float16") else value).numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise UsageError(f"{name!r} of a batch is no tensor", expected=_TAKEN, got=type(value).__name__)
    copied: NDArray[Any] = value.copy()
    return copied


def write_examples(
    folder: Path,
    train: Sequence[Batch] = (),
    validation: Sequence[Batch] = (),
    fault: str = "",
    classes: Sequence[str] = (),
) -> None:
    """Write `examples.npz` into a job's folder, as a whole."""
    import numpy as np

    arrays: dict[str, Any] = {_FAULT: np.array(fault), _CLASSES: np.array(list(classes), dtype=str)}
    for part, batches in (("train", train), ("validation", validation)):
        for number, batch in enumerate(batches):
            for kind, values in (("inputs", batch.inputs), ("targets", batch.targets)):
                arrays |= {f"{part}/{number}/{kind}/{name}": value for name, value in values.items()}
            arrays[f"{part}/{number}/{_LAYOUT}/"] = np.array(batch.layout)
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    write_atomic(folder / EXAMPLES, sink.getvalue(), mode=0o600)


def read_examples(folder: Path) -> Examples | None:
    """The examples in a job's folder; None where there are none. Nothing is unpickled.

    Raises:
        FormatError: the file is broken.
    """
    import numpy as np

    path = folder / EXAMPLES
    if not path.is_file():
        return None
    parts: dict[str, dict[int, dict[str, Any]]] = {"train": {}, "validation": {}}
    try:
        with np.load(path, allow_pickle=False) as stored:
            fault = str(stored[_FAULT])
            # Examples of before say nothing of them.
            classes = tuple(map(str, stored[_CLASSES])) if _CLASSES in stored.files else ()
            for key in stored.files:
                if key not in (_FAULT, _CLASSES):
                    part, number, kind, name = key.split("/", 3)
                    batch = parts[part].setdefault(int(number), {"inputs": {}, "targets": {}, _LAYOUT: ""})
                    if kind == _LAYOUT:
                        batch[kind] = str(stored[key])
                    else:
                        batch[kind][name] = stored[key]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as cause:
        raise FormatError(f"{path} is not readable", got=str(cause), hint="train again") from cause
    train, validation = (tuple(Batch(**one) for _, one in sorted(found.items())) for found in parts.values())
    return Examples(file_sha256(path), train, validation, fault, classes)
