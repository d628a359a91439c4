"""Whose fault an answer is that is no number: the row's, or the model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .answers import Answers
from .errors import RequestError
from .formats import Input, Signature

__all__ = ["refuse_not_finite"]

# Where the range of training is not known: what the network's float32 can hold.
_LARGEST = float(np.finfo(np.float32).max)


def refuse_not_finite(answers: Answers, inputs: Mapping[str, np.ndarray[Any, Any]], signature: Signature) -> None:
    """Raise when a probability, or a number of an output, is not finite.

    A row with a number outside of the range of training answers for itself; a model that fails on a row within it is
    at fault, and then for the whole request.

    Args:
        answers: what the model gave.
        inputs: what they were answered to, as `arrays_of` gives them.
        signature: the ranges.

    Raises:
        RequestError: 422 naming the row and its field, or 500.
    """
    finite = _finite(answers)
    if finite.all():
        return
    numbers = [one for one in signature.inputs if one.kind in ("number", "array")]
    outside = {one.name: _outside(inputs[one.name], one) for one in numbers}
    explained = np.logical_or.reduce([finite, *outside.values()])
    if not explained.all():
        raise RequestError(500, "not_finite", f"the model answered {_named(answers)} that is not finite")
    row = int(finite.argmin())
    field = next(name for name, mask in outside.items() if mask[row])
    message = f"row {row}, field {field!r}: too far from the numbers of training for the model to answer"
    raise RequestError(422, "out_of_range", message, row=row)


def _finite(answers: Answers) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows whose answer is finite in every number."""
    if isinstance(answers, np.ndarray):
        return np.asarray(np.isfinite(answers).all(1))
    finite = [np.isfinite(one).reshape(len(one), -1).all(1) for one in answers.values()]
    return np.asarray(np.logical_and.reduce(finite))


def _named(answers: Answers) -> str:
    if isinstance(answers, np.ndarray):
        return "a probability"
    return f"a number in {next(name for name, one in answers.items() if not np.isfinite(one).all())!r}"


def _outside(values: np.ndarray[Any, Any], one: Input) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows with a number outside of the training range; a missing number is in it."""
    low = -_LARGEST if one.low is None else one.low
    high = _LARGEST if one.high is None else one.high
    return np.asarray(((values < low) | (values > high)).reshape(len(values), -1).any(1))
