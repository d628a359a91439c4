"""A row to try: what lies in the middle of what was seen in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...runtime import Input, Signature

__all__ = ["TEXT", "example_number", "example_row", "example_text"]

# A text of some tokens, whatever the tokenizer.
TEXT = "a text"
_LONGEST = 1000


def example_row(signature: Signature) -> dict[str, Any]:
    """One row as JSON has it.

    Example:
        >>> one = Signature("classification", ("a", "b"), (Input("x", "number", low=1, high=4), Input("c", "category")))
        >>> example_row(one)
        {'x': 2.5, 'c': None}
        >>> example_row(Signature("classification", ("a", "b"), (Input("input", "array", (2, 3)),)))
        {'input': [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]}
    """
    return {one.name: _value(one) for one in signature.inputs}


def example_number(one: Input) -> float:
    """A number between the smallest and the largest that were seen, of few digits."""
    if one.low is None or one.high is None:
        return 0.0
    middle = float(f"{one.low / 2 + one.high / 2:.4g}")
    return middle if math.isfinite(middle) else 0.0


def example_text(one: Input) -> str | None:
    """A value that was seen, or None where none is known that a line of code can hold."""
    return next((text for text in one.categories if 0 < len(text) <= _LONGEST), None)


def _value(one: Input) -> Any:
    if one.kind == "number":
        return example_number(one)
    if one.kind == "text":
        return TEXT
    zero = {"bool": False, "int32": 0, "int64": 0}.get(one.dtype, 0.0)
    return example_text(one) if one.kind == "category" else _filled(one.shape, zero)


def _filled(shape: Sequence[int], value: Any) -> Any:
    # A length that may differ is one.
    return [_filled(shape[1:], value) for _ in range(max(shape[0], 1))] if shape else value
