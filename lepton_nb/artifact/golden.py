"""A few held-out rows with what the trained network said of them: whoever gets the model can ask it the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PackagingError
from ..runtime import ModelError, RequestError, Signature, read_object
from ..runtime.model import Model
from ..runtime.rows import arrays_of

__all__ = ["GOLDEN", "TOLERANCE", "check_answers", "check_golden", "golden_of", "is_close"]

GOLDEN = "golden.json"
# Of every comparison between two ways to the same probabilities: |a - b| <= TOLERANCE * max(1, |a|).
TOLERANCE = 1e-4

_ROWS = 16
# Pictures are large as JSON: fewer of them say as much.
_MOST_NUMBERS = 2**16


def is_close(answer: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two arrays of one shape agree within the tolerance, or whole numbers are the same; NaN agrees with nothing.

    Example:
        >>> is_close(np.array([0.5, 0.5]), np.array([0.50005, 0.6])).tolist()
        [True, False]
        >>> is_close(np.array([50004]), np.array([50000])).tolist()
        [False]
    """
    if answer.dtype.kind in "biu" or expected.dtype.kind in "biu":
        same: NDArray[np.bool_] = answer == expected
        return same
    theirs = expected.astype(np.float64)
    agreed: NDArray[np.bool_] = np.abs(answer.astype(np.float64) - theirs) <= TOLERANCE * np.maximum(1, np.abs(theirs))
    return agreed


def golden_of(
    signature: Signature,
    inputs: Mapping[str, NDArray[Any]],
    expected: NDArray[Any] | Mapping[str, NDArray[Any]],
    part: str = "validation",
) -> dict[str, Any]:
    """The golden batch: the first rows of some, as they are asked over HTTP, with what is to be answered.

    Rows that the model refuses, for a category that it was not trained with, are passed over.

    Args:
        signature: of the model.
        inputs: raw inputs of N rows that the network did not learn from.
        expected: the trained network's own probabilities, [N, C], or outputs by their names, [N, ...] each.
        part: of the data, that the rows are of.

    Returns:
        `part`, `tolerance`, `rows` (objects) and `probabilities` or `outputs`; plain values, ready to be written as
        JSON.
    """
    told = {"probabilities": expected} if isinstance(expected, np.ndarray) else expected
    rows_given = len(next(iter(told.values())))
    numbers = sum(max(inputs[one.name][0].size if one.kind == "array" else 1, 1) for one in signature.inputs)
    numbers += sum(one[0].size for one in told.values())
    most = max(1, min(_ROWS, _MOST_NUMBERS // numbers))
    answered = np.ones(rows_given, bool)
    for one in signature.inputs:
        if one.unknown == "refused" and one.kind == "category":
            answered &= np.isin(inputs[one.name].reshape(rows_given).astype(str), ["", *one.categories])
    places = np.flatnonzero(answered)[:most]
    columns = {one.name: _values(inputs[one.name][places], one.kind) for one in signature.inputs}
    rows = [{name: values[place] for name, values in columns.items()} for place in range(len(places))]
    answers = {name: _plain(one[places]).tolist() for name, one in told.items()}
    whole = answers if isinstance(expected, np.ndarray) else {"outputs": answers}
    return {"part": part, "tolerance": TOLERANCE, "rows": rows, **whole}


def check_golden(folder: Path) -> float:
    """Ask the model in a folder its golden batch.

    Args:
        folder: a model folder with `golden.json`.

    Returns:
        The largest absolute difference to what was expected.

    Raises:
        PackagingError: the model cannot be loaded, refuses a row, or answers otherwise.
    """
    try:
        golden, model = read_object(folder / GOLDEN), Model.load(folder)
        answer = model.predict(arrays_of(golden["rows"], model.signature))
    except (ModelError, RequestError, KeyError, TypeError) as cause:
        raise PackagingError(f"the golden batch of {folder.name} cannot be asked", got=str(cause)) from cause
    except Exception as cause:  # what a graph raises when it is run is ONNX Runtime's own
        raise PackagingError(f"{folder.name} fails on its golden batch", got=str(cause)) from cause
    return check_answers(answer, golden)


def check_answers(answer: NDArray[Any] | Mapping[str, NDArray[Any]], golden: Mapping[str, Any]) -> float:
    """Compare answers to a golden batch with what was expected.

    Args:
        answer: probabilities, [N, C], or outputs by their names.
        golden: the golden batch.

    Returns:
        The largest absolute difference.

    Raises:
        PackagingError: they differ, or the batch is none.
    """
    given = {"probabilities": answer} if isinstance(answer, np.ndarray) else answer
    try:
        told = golden if isinstance(answer, np.ndarray) else golden["outputs"]
        expected = {name: np.array(told[name], _plain(one).dtype) for name, one in given.items()}
    except (KeyError, TypeError, ValueError) as cause:
        raise PackagingError(f"{GOLDEN} is not a golden batch", got=f"{type(cause).__name__} {cause}") from cause
    return max(_difference(given[name], expected[name]) for name in given)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """The values as JSON holds them: whole numbers as such, and others with all their digits."""
    return values if values.dtype.kind in "biu" else values.astype(np.float64)


def _difference(answer: NDArray[Any], expected: NDArray[Any]) -> float:
    if not expected.size or expected.shape != answer.shape:
        raise PackagingError(
            "the golden batch is answered with another shape", expected=f"{expected.shape}", got=f"{answer.shape}"
        )
    answer, expected = answer.reshape(len(answer), -1), expected.reshape(len(expected), -1)
    wrong = np.atleast_1d(~is_close(answer, expected).all(axis=1))
    difference = np.abs(answer.astype(np.float64) - expected.astype(np.float64))
    if wrong.any():
        raise PackagingError(
            "the model does not answer its golden batch as the trained network did",
            expected=f"differences up to {TOLERANCE:g}" if answer.dtype.kind == "f" else "the same whole numbers",
            got=f"{np.nanmax(difference, initial=0.0):.3g} on {int(wrong.sum())} of {len(wrong)} rows",
        )
    return float(difference.max())


def _values(column: NDArray[Any], kind: str) -> list[Any]:
    if kind == "number":
        return [None if np.isnan(value) else float(value) for value in column.reshape(len(column))]
    if kind == "category":
        return [None if value in (None, "") else str(value) for value in column.reshape(len(column))]
    # Texts and arrays are sent as they are.
    return list(column.tolist())
