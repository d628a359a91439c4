"""Labelled predictions become sums per window and model version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from ...runtime import LARGEST_LABEL, Signature
from ...runtime.texts import plain_text
from ...scores import MISSING_SEGMENT, UNSEEN_SEGMENT, ErrorTally, Tally
from ..lines import SECONDS
from .finding import Predicted

__all__ = ["Judged", "Sums", "judged", "merged", "summed"]

# Of each window by version, start and seconds: a JSON object of `scores.Tally`, or of `ErrorTally` for numbers.
Sums = dict[tuple[str, int, int], dict[str, Any]]

# Windows that are older than a day when the newest begins are joined to hours, those older than a month to days.
_JOINED = ((30 * 24 * 3600, 24 * 3600), (24 * 3600, 3600))
# A column of more categories has hardly one that is large enough to speak of.
_CATEGORIES = 50


class Judged(NamedTuple):
    """As much of a labelled prediction as is counted.

    Args:
        version: of the model.
        start: of its window, seconds since the epoch.
        probabilities: one per class.
        truth: index of the class that was right; one more than the last for a class that the model does not have.
        segments: category column to value.
        sign: 1, or -1 for what is taken off.
        error: prediction less truth, where a number was predicted.
    """

    version: str
    start: int
    probabilities: Sequence[float]
    truth: int
    segments: Mapping[str, str]
    sign: int
    error: float | None = None


def judged(row: Predicted, truth: str, classes: Sequence[str], signature: Signature | None, sign: int) -> list[Judged]:
    """What is counted of a prediction: a class, a number, each of several numbers, or whether each label holds.

    Args:
        row: the prediction.
        truth: the class that was right, or the number; a JSON object of numbers, or a JSON list of labels.
        classes: of the version that answered.
        signature: what it takes; None counts no segments.
        sign: 1, or -1 to take it off.

    Raises:
        ValueError: a number was predicted, and the truth is none, or so far away that no sum could hold the error.
    """
    start, segments = int(row.time // SECONDS) * SECONDS, _segments(row, signature)
    if row.probabilities:
        place = classes.index(truth) if truth in classes else len(classes)
        return [Judged(row.version, start, row.probabilities, place, segments, sign)]
    values, right = row.values, _right(truth)
    if not values and signature is not None:
        values = {one.name: row.value or 0.0 for one in signature.answers}
    if isinstance(right, list):
        # Each label is a question of its own, with the answers no and yes.
        return [
            Judged(row.version, start, (1 - value, value), int(name in right), segments, sign)
            for name, value in values.items()
        ]
    if isinstance(right, dict) and right.keys() == values.keys():
        errors = [value - right[name] for name, value in values.items()]
    elif isinstance(right, float) and row.value is not None:
        errors = [row.value - right]
    else:
        raise ValueError(f"{truth[:80]} is not what {row.id} answers")
    if not all(abs(error) <= LARGEST_LABEL for error in errors):
        raise ValueError(f"the errors {errors[:3]} of {row.id} are beyond what is summed")
    return [Judged(row.version, start, (), 0, segments, sign, error) for error in errors]


def _right(truth: str) -> Any:
    """A list of labels, an object of numbers, or a number."""
    return orjson.loads(truth) if truth.startswith(("[", "{")) else float(truth)


def _segments(row: Predicted, signature: Signature | None) -> dict[str, str]:
    """The values of a row's category columns that are on the log as they were."""
    return {
        one.name: _value(row.inputs[one.name], one.categories)
        for one in (signature.inputs if signature else ())
        if one.kind == "category"
        and len(one.categories) <= _CATEGORIES
        and one.name not in row.masked
        and one.name in row.inputs
    }


def _value(value: Any, categories: Sequence[str]) -> str:
    text = plain_text(str(value)) if isinstance(value, (str, bool)) else MISSING_SEGMENT
    return text if text in categories or text == MISSING_SEGMENT else UNSEEN_SEGMENT


def summed(rows: Iterable[Judged]) -> Sums:
    """The sums of rows per window and version."""
    groups: defaultdict[tuple[str, int], defaultdict[tuple[int, tuple[str, ...]], list[Judged]]]
    groups = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.version, row.start][row.sign, tuple(row.segments)].append(row)
    found: Sums = {}
    for (version, start), parts in groups.items():
        if any(row.error is not None for some in parts.values() for row in some):
            found[version, start, SECONDS] = _errors(parts)
            continue
        total: Tally | None = None
        for (sign, columns), some in parts.items():
            tally = Tally.of(
                [row.probabilities for row in some], [row.truth for row in some], _by_column(some, columns)
            )
            total = total or Tally(tally.classes)
            total.add(tally, sign)
        if total is not None:
            found[version, start, SECONDS] = total.to_dict()
    return found


def _by_column(rows: Sequence[Judged], columns: Sequence[str]) -> dict[str, list[str]]:
    return {column: [row.segments[column] for row in rows] for column in columns}


def _errors(parts: Mapping[tuple[int, tuple[str, ...]], Sequence[Judged]]) -> dict[str, Any]:
    total = ErrorTally()
    for (sign, columns), some in parts.items():
        told = [row for row in some if row.error is not None]
        total.add(ErrorTally.of([row.error or 0.0 for row in told], _by_column(told, columns)), sign)
    return total.to_dict()


def merged(windows: Iterable[tuple[str, int, int, dict[str, Any]]]) -> Sums:
    """The windows of several parts as one, the older ones joined to longer ones."""
    every = list(windows)
    newest = max((start for _, start, _, _ in every), default=0)
    places: defaultdict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for version, start, seconds, tally in every:
        places[version, *_longer(start, seconds, newest)].append(tally)
    return {place: _total(tallies) for place, tallies in sorted(places.items())}


def _longer(start: int, seconds: int, newest: int) -> tuple[int, int]:
    for age, width in _JOINED:
        if seconds <= width and start < newest - age - (newest - age) % width:
            return start - start % width, width
    return start, seconds


def _total(tallies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if len(tallies) == 1:
        return tallies[0]
    total = Tally(int(tallies[0]["classes"])) if "classes" in tallies[0] else ErrorTally()
    for one in tallies:
        total.add_dict(one)
    return total.to_dict()
