"""What in a data set would spoil a model, or make its scores lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LeptonError
from ..records import Check, Data, Problem
from ..workspace import Workspace
from .columns import TypedColumn, empty_texts, strays
from .fingerprints import column_codes, row_fingerprints
from .kept import kept_parts
from .opening import open_rows
from .queries import Tables
from .roles import choose_targets, column_name, is_text, refuse_unusable
from .sources import Choices, Source
from .splits import SplitPlan, split_rows
from .targets import targets_of

__all__ = ["check"]

_LEVELS = ("error", "warning", "note")
# Above half a column is more guessed than known; below a fifth of an equal share a class is hardly learned.
_MOSTLY_MISSING, _RARE = 0.5, 0.2
_FEW_TEST_ROWS = 30


def check(ws: Workspace, source: Any, target: str | None = None, tables: Tables | None = None) -> Check:
    """Look for what would spoil a model.

    Looked for: labels that cannot be used, inputs that cannot be used, gaps, constant columns, columns that count
    the rows, columns that give the target away, rare classes, duplicate rows, equal rows with different labels,
    and rows that stand both in the training and in the test part (of the data set's own split, or of the default
    one).

    Args:
        ws: the workspace; nothing is written.
        source: what `load` takes, or a data set that is loaded already.
        target: name of the target column, or several as `a,b`; without one only the columns are looked at.
        tables: gives a query the DataFrame or Arrow table of a name, or None.

    Raises:
        DataError: the rows cannot be read at all.
        NotFoundError: there is no such file, name or target column.
    """
    target = column_name(target, "target")
    rows, data = open_rows(ws, source, target, Choices(tables=tables))
    chosen = choose_targets(rows, target) if target or rows.targets else ()
    inputs = [column for column in rows.columns if column not in chosen]
    is_alone = rows.array is None and len(inputs) == 1 and (data.kind == "text" if data else is_text(inputs[0]))
    problems_of = _text_problems if is_alone else _column_problems
    problems = [problem for column in inputs for problem in problems_of(column)]
    if rows.array is not None:
        problems += _shape_problems(rows.array)
    problems += _row_problems(rows, inputs, chosen, data)
    problems.sort(key=lambda problem: _LEVELS.index(problem.level))
    return Check(rows.name, len(rows.columns[0].cells), tuple(problems))


def _text_problems(column: TypedColumn) -> Iterator[Problem]:
    if empty := int(empty_texts(column.raw).sum()):
        what = f"text {column.name!r} is empty in {empty} rows ({empty / len(column.cells):.1%})"
        yield Problem("error", what, "remove these rows, or fill in their texts", (column.name,))


def _column_problems(column: TypedColumn) -> Iterator[Problem]:
    name, rows = column.name, len(column.cells)
    missing = column.cells.null_count
    leave = f"leave it out with --ignore {name!r}"
    if missing == rows:
        yield Problem("warning", f"column {name!r} has no values", leave, (name,))
        return
    if missing:
        level: Literal["warning", "note"] = "warning" if missing > rows * _MOSTLY_MISSING else "note"
        step = "gaps are filled with the median" if column.kind == "number" else "a gap counts as no category"
        yield Problem(level, f"column {name!r} is missing in {missing} rows ({missing / rows:.1%})", step, (name,))
    try:
        refuse_unusable(column)
    except DataError as refused:
        yield Problem("error", refused.what, refused.hint, (name,))
        return
    if few := strays(column):
        what = f"column {name!r} is text, not numbers, because of {', '.join(map(repr, few[:5]))}"
        yield Problem("warning", what, "mend these values, or leave them empty", (name,))
    distinct = len(column.cells.unique().drop_null())
    if distinct == 1 and not missing:
        yield Problem("warning", f"column {name!r} is constant", leave, (name,))
    elif column.kind == "number" and column.whole and distinct == rows > 2 and _counts(column):
        yield Problem("warning", f"column {name!r} counts the rows, as an index does", leave, (name,))


def _counts(column: TypedColumn) -> bool:
    numbers = np.sort(column.cells.to_numpy(zero_copy_only=False))
    return bool(numbers[-1] - numbers[0] == len(numbers) - 1)


def _shape_problems(array: NDArray[np.float32]) -> Iterator[Problem]:
    shape = array.shape[1:]
    if len(shape) == 3 and shape[2] in (1, 3, 4) and shape[0] > 4:
        what = f"the rows have shape {shape}: the channels seem to come last"
        yield Problem("warning", what, "pass X.transpose(0, 3, 1, 2): networks take channels first", ("input",))


def _row_problems(
    rows: Source, inputs: Sequence[TypedColumn], chosen: Sequence[TypedColumn], data: Data | None
) -> Iterator[Problem]:
    prints = row_fingerprints(rows.array, inputs)
    if not chosen:
        yield from _duplicates(prints)
        yield Problem("note", "the labels were not looked at", "pass --target NAME")
        return
    try:
        found = targets_of(chosen, rows.task if tuple(one.name for one in chosen) == rows.targets else None)
    except DataError as refused:
        yield from _duplicates(prints)
        yield Problem("error", refused.what, refused.hint, tuple(one.name for one in chosen))
        return
    targets, has_classes = found.values, found.task == "classification"
    if not has_classes:
        # Rows with the same numbers, or the same labels, are as one class.
        targets = np.unique(targets, axis=0, return_inverse=True)[1].reshape(len(targets)).astype(np.int64)
    for column in inputs if has_classes else ():
        yield from _leak(column, targets, len(found.classes), found.name)
    if has_classes:
        yield from _imbalance(found.classes, targets)
    # The odd multiplier keeps rows that differ in their label alone apart.
    yield from _duplicates(prints + targets.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    yield from _contradictions(prints, targets)
    yield from _overlap(prints, targets, found.classes if has_classes else (), data)


def _duplicates(prints: NDArray[np.uint64]) -> Iterator[Problem]:
    extra = len(prints) - len(np.unique(prints))
    if extra:
        what = f"{extra} rows ({extra / len(prints):.1%}) repeat an earlier row"
        yield Problem("warning", what, "drop duplicates before loading, unless each stands for a case of its own")


def _contradictions(prints: NDArray[np.uint64], targets: NDArray[np.int64]) -> Iterator[Problem]:
    _, group = np.unique(prints, return_inverse=True)
    pairs = np.unique(np.stack([group, targets]), axis=1)[0]
    mixed = np.bincount(pairs) > 1
    if count := int(mixed[group].sum()):
        what = f"{count} rows equal another row in every input but not in the label"
        yield Problem("note", what, "no model can tell them apart: look for a missing column or wrong labels")


def _leak(column: TypedColumn, targets: NDArray[np.int64], classes: int, target: str) -> Iterator[Problem]:
    """A column that says the target in other words, or whose every value goes with one class only."""
    if column.kind in {"date", "other"} or (column.kind == "number" and not column.whole):
        return
    codes, distinct = column_codes(column)
    if distinct < 2 or distinct > len(targets) // 2:
        return
    seen = len(np.unique(codes * classes + targets))
    leave = f"leave it out with --ignore {column.name!r}, unless it is known before the target is"
    if seen == distinct == classes:
        yield Problem("error", f"column {column.name!r} is identical with target {target!r}", leave, (column.name,))
    elif seen == distinct:
        what = f"each value of column {column.name!r} goes with one class of {target!r} only"
        yield Problem("warning", what, leave, (column.name,))


def _imbalance(classes: Sequence[str], targets: NDArray[np.int64]) -> Iterator[Problem]:
    counts = np.bincount(targets, minlength=len(classes))
    rare = [i for i in np.argsort(counts, kind="stable") if counts[i] * len(classes) < _RARE * len(targets)]
    if rare:
        shown = ", ".join(f"{classes[i]!r} {counts[i] / len(targets):.1%}" for i in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        step = "judge by f1 and the confusion matrix, not by accuracy; collect more rows of the rare classes"
        yield Problem("warning", f"classes are out of balance: {shown}{more}", step)


def _overlap(
    prints: NDArray[np.uint64], targets: NDArray[np.int64], classes: Sequence[str], data: Data | None
) -> Iterator[Problem]:
    try:
        plan = SplitPlan("stratified" if classes else "random")
        parts = split_rows(targets, classes, None, plan) if data is None else kept_parts(data)
    except LeptonError as refused:
        yield Problem("error", refused.what, refused.hint)
        return
    test = prints[parts["test"]]
    shared = int(np.isin(test, prints[parts["train"]]).sum())
    if shared:
        which = "the" if data is not None else "a default"
        what = f"{shared} of {len(test)} test rows of {which} split have the inputs of a training row"
        level: Literal["warning", "note"] = "warning" if shared > 0.01 * len(test) else "note"
        yield Problem(level, what, "drop duplicates before loading: these rows test memory, not skill")
    if len(test) < _FEW_TEST_ROWS:
        what = f"the test part has {len(test)} rows, so that one row moves accuracy by {1 / len(test):.1%}"
        yield Problem("note", what, "load more rows, or read scores with care")
