"""What ONNX has for torch's operators, found out once.

`torch.onnx.export` makes its table of them anew at every call, by reading the source of five hundred functions: half of
the time that a small network takes. The table is the same each time, but for what the caller of one export adds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

__all__ = ["OPSET", "known_operators", "preload"]

# One opset for the network and the preprocessing, so that they can be merged; ONNX Runtime 1.23 and later run it.
OPSET = 20

# What torch makes, by the opset and by how many functions there were to choose from.
_made: dict[tuple[int, int], Any] = {}


@contextlib.contextmanager
def known_operators() -> Iterator[None]:
    """Have exports within the block begin with a copy of the table that the first one has made.

    Where torch has no such table, they do as ever.
    """
    if (own := _own()) is None:
        yield
        return
    registry = _registry()

    def from_torchlib(opset_version: int) -> Any:
        key = (opset_version, _offered())
        if key not in _made:
            _made[key] = own.__get__(None, registry)(opset_version=opset_version)
        try:
            functions = {name: list(found) for name, found in _made[key].functions.items()}
        except AttributeError:
            # Another torch keeps its table otherwise.
            return own.__get__(None, registry)(opset_version=opset_version)
        copied = registry()
        copied._opset_version = opset_version  # noqa: SLF001 -- as torch itself sets it
        copied.functions = functions
        return copied

    registry.from_torchlib = staticmethod(from_torchlib)
    try:
        yield
    finally:
        registry.from_torchlib = own


def preload() -> None:
    """Make the table now: a template does so once for all of its children. No operator runs."""
    with known_operators():
        if _own() is not None:
            _registry().from_torchlib(opset_version=OPSET)


def _registry() -> Any:
    from torch.onnx._internal.exporter import _registration

    return _registration.ONNXRegistry


@cache
def _own() -> Any:
    """Torch's own method, asked for before ours has taken its place in any thread; None where it has none."""
    try:
        _offered()
        return vars(_registry())["from_torchlib"]
    except (ImportError, AttributeError, KeyError):
        return None


def _offered() -> int:
    """How many functions there are to choose from, those among them that a user has added."""
    from onnxscript.function_libs.torch_lib import ops, registration  # noqa: F401 -- the import registers them

    return sum(len(one.overloads) + len(one.complex) for _, one in registration.default_registry.items())
