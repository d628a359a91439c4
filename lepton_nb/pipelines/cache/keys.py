"""The name of a result: a hash of all that it depends on. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Cell", "canonical", "code_cells", "key"]

_FORMAT = 1
# What changes how a cell is executed; every other tag is for people.
_TAGS = frozenset({"parameters", "raises-exception", "skip-execution"})


@dataclass(frozen=True)
class Cell:
    """A code cell as far as it matters to what it computes.

    Args:
        source: its text.
        tags: those that change how it is executed, sorted.
    """

    source: str
    tags: tuple[str, ...] = ()


def code_cells(notebook: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The code cells of a notebook, without outputs, counts and other metadata; empty ones are left out.

    Args:
        notebook: the JSON of a notebook of format 4.

    Example:
        >>> code_cells({"cells": [{"cell_type": "code", "source": ["a = 1"], "metadata": {"tags": ["mine"]}}]})
        (Cell(source='a = 1', tags=()),)
    """
    cells = []
    for cell in notebook["cells"]:
        source = "".join(cell.get("source", ""))
        if cell.get("cell_type") == "code" and source.strip():
            tags = _TAGS.intersection(cell.get("metadata", {}).get("tags", ()))
            cells.append(Cell(source, tuple(sorted(tags))))
    return tuple(cells)


def canonical(value: Any) -> str:
    """One JSON text per value: types are kept apart, and so is the order of a mapping, which a step can see.

    Example:
        >>> len({canonical(value) for value in (1, 1.0, True, "1", [1], None)})
        6
    """
    return json.dumps(value, separators=(",", ":"))


def key(
    *,
    cells: Sequence[Cell],
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str],
    modules: Mapping[str, str],
    environment: str,
    writes: Sequence[str] = (),
    needs: Sequence[Any] = (),
) -> str:
    """The SHA-256 that names a step's result.

    Args:
        cells: of the notebook.
        parameters: resolved values, which JSON can hold; a `secret:NAME` is its name.
        inputs: declared files, relative to the project root, with their SHA-256.
        modules: the same for the modules that are imported, and the files that are run, by name.
        environment: digest of interpreter and installed packages.
        writes: declared outputs, relative to the project root.
        needs: what is taken from the needed steps and no parameter says, in any order.

    Returns:
        64 hexadecimal digits.
    """
    parts = {
        "format": _FORMAT,
        "cells": [[cell.source, list(cell.tags)] for cell in cells],
        "parameters": sorted(parameters.items()),
        "inputs": sorted(inputs.items()),
        "modules": sorted(modules.items()),
        "environment": environment,
        "writes": sorted(writes),
        "needs": sorted(map(canonical, needs)),
    }
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
