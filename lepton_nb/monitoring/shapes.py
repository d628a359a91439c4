"""The shapes of logged rows: nested lists, flat lists and arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..runtime import Input, Output, Signature

__all__ = ["nested", "of_one_size", "shaped"]


def nested(values: np.ndarray[Any, Any]) -> Any:
    """Numbers [N, *shape] as an Arrow array of N lists in lists, of their own type."""
    import pyarrow as pa

    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for place in range(values.ndim - 1, 0, -1):
        rows, size = int(np.prod(values.shape[:place])), values.shape[place]
        array = pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * size, pa.int32()), array)
    return array


def of_one_size(entries: Sequence[Mapping[str, Any]], signature: Signature | None) -> list[list[Mapping[str, Any]]]:
    """The entries with rows of the same lengths together, where an input has a length that may differ.

    Args:
        entries: the JSON objects of prediction lines.
        signature: of their version; None leaves them as they are.
    """
    names = [one.name for one in (signature.inputs if signature else ()) if -1 in one.shape]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        groups.setdefault(tuple(_lengths(entry["inputs"].get(name)) for name in names), []).append(entry)
    return list(groups.values())


def _lengths(value: Any) -> tuple[int, ...]:
    found = []
    while isinstance(value, list) and value:
        found.append(len(value))
        value = value[0]
    return tuple(found)


def shaped(row: Mapping[str, Any], parts: Sequence[Input] | Sequence[Output]) -> dict[str, Any]:
    """A row whose arrays lie flat, as the signature has them; what is nested already stays as it is.

    Args:
        row: values by name.
        parts: the inputs or outputs.
    """
    found = dict(row)
    for one in parts:
        value = row.get(one.name)
        # More than one length that is not known cannot be told from the values.
        if isinstance(value, list) and value and not isinstance(value[0], list) and one.shape.count(-1) < 2:
            with contextlib.suppress(ValueError):
                found[one.name] = np.array(value, object).reshape(one.shape).tolist()
    return found
