"""From a source to a data set in the workspace: typed, split, hashed and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..records import Column, Data, Series
from ..workspace import Workspace, check_name
from .columns import TypedColumn
from .kept import SIDES
from .opening import open_rows
from .paths import places_of, with_pictures
from .roles import choose_targets, column_name, inputs_and_times
from .sources import Choices, Source
from .splits import SplitPlan, Strategy, split_rows
from .store import content_hash, put
from .streaming import must_stream, stream
from .targets import Targets, refuse_flat, targets_of
from .texts import TextOptions, refuse_text, text_options_of, text_rows
from .windows import purged, windowed

__all__ = ["load"]


def load(  # noqa: PLR0913 - the words of a verb, all but two of them by name
    ws: Workspace,
    source: Any,
    *,
    target: str | None = None,
    task: str | None = None,
    name: str | None = None,
    test_size: float = 0.2,
    validation_size: float = 0.1,
    seed: int = 0,
    split: Strategy | None = None,
    time_column: str | None = None,
    ignore: Sequence[str] = (),
    choices: Choices | None = None,
    text: TextOptions | None = None,
    series: Series | None = None,
) -> Data:
    """Load rows, split them, and keep them under their hash, which the same rows and options have again.

    Args:
        ws: the workspace.
        source: what `open_source` takes, or a data set that is loaded already, to split its rows anew.
        target: name of the column to predict, `a,b` of several; known for scikit-learn's names and for pairs.
        task: `classification`, `regression` or `multilabel`; by default what the target holds, see `task_of`.
        name: what people call it.
        test_size: share of the rows that is held out to the end.
        validation_size: share of the rows that training is watched by.
        seed: of the draw.
        split: as in `SplitPlan`; by default `folders` where the source has them, else `random` but for classes.
        time_column: column of numbers or ISO 8601 dates that orders the rows; it is no input.
        ignore: columns that are no inputs.
        choices: how the source is read: pictures, the tables of a query, whether it is streamed.
        text: how texts are read; a single column of text that hardly repeats is one without it, too.
        series: how far the target is forecast from its past, see `windowed`; the split is then by time.

    Raises:
        DataError: the rows cannot be used as they are; nothing is written.
        NotFoundError, UsageError: there is no such file, name or column; an option is not one of the legal values.
    """
    name = None if name is None else check_name(str(name), "data name")
    time_column, target = column_name(time_column, "time column"), column_name(target, "target")
    split = split or ("time" if series else None)
    seed, test_size, validation_size = map(_plain, (seed, test_size, validation_size))
    plan = SplitPlan(split or "stratified", seed, test_size, validation_size, time_column)
    if _streams(source, split, choices := choices or Choices()):
        refuse_text(text, source)
        return stream(ws, Path(source).expanduser(), target, name, replace(plan, strategy="random"), ignore, task)
    rows = open_rows(ws, source, target, choices)
    places = () if rows[1] else places_of(source, ws.root)
    return _loaded(ws, rows, _Asked(target, task, name, split, ignore, text, series, choices, places), plan)


@dataclass(frozen=True)
class _Asked:
    """What `load` was asked for of rows that are in memory; its words are those of `load`."""

    target: str | None
    task: str | None
    name: str | None
    split: Strategy | None
    ignore: Sequence[str]
    text: TextOptions | None
    series: Series | None
    choices: Choices
    places: tuple[Path, ...]


def _loaded(ws: Workspace, rows: tuple[Source, Data | None], asked: _Asked, plan: SplitPlan) -> Data:
    opened, before = rows
    if asked.series:
        opened = windowed(opened, asked.target, plan.time_column, asked.ignore, asked.series)
        asked = replace(asked, target=None, ignore=(), task="regression")
    text = asked.text or text_options_of(before)
    chosen = choose_targets(opened, asked.target)
    names, column = [one.name for one in chosen], text.column if text else None
    if column is None or asked.choices.image is not None:
        opened = with_pictures(opened, names, plan.time_column, asked.ignore, asked.choices, asked.places)
    inputs, times = inputs_and_times(opened, names, plan.time_column, asked.ignore, column)
    if not inputs or inputs[0].kind != "text":
        refuse_text(text, opened.name)
    # What a loaded data set was loaded for, it is for; but not where its rows get another target.
    known = opened.task if tuple(names) == opened.targets else None
    targets = targets_of(chosen, asked.task or known)
    if asked.split is None:
        whole: Strategy = "stratified" if targets.task == "classification" else "random"
        plan = replace(plan, strategy="folders" if opened.parts else whole)
    parts = _parts(targets, times, plan, opened)
    meta = targets.meta() | {"split": asdict(plan)}
    if asked.series:
        inputs, targets, parts = purged(inputs, targets, parts, times, asked.series.horizon)
        meta["series"] = asdict(asked.series)
    return _keep(ws, asked.name or opened.name, meta, opened, inputs, targets.values, parts, text or TextOptions())


def _parts(targets: Targets, times: Any, plan: SplitPlan, opened: Source) -> dict[str, NDArray[np.int64]]:
    if targets.task == "classification":
        return split_rows(targets.values, targets.classes, times, plan, opened.parts)
    parts = split_rows(targets.values, (), times, plan, opened.parts)
    refuse_flat(targets, parts["train"])
    return parts


def _streams(source: Any, split: Strategy | None, choices: Choices) -> bool:
    if choices.image is not None and not choices.stream:
        return False
    if choices.image is not None:
        raise UsageError("images are not streamed", expected="--image or --stream", hint="leave --stream out")
    if split in {None, "random"}:
        return must_stream(source, choices.stream)
    if choices.stream:
        raise UsageError(
            f"split {split!r} needs all rows at once, and a stream has them a batch at a time",
            expected="a random split",
            hint="--split random",
        )
    return False


def _plain(number: Any) -> Any:
    """A number of NumPy as Python has it; anything else as it is."""
    return number.item() if isinstance(number, np.generic) else number


def _keep(
    ws: Workspace,
    name: str,
    meta: dict[str, Any],
    opened: Source,
    inputs: list[TypedColumn],
    targets: NDArray[Any],
    parts: dict[str, NDArray[np.int64]],
    text: TextOptions,
) -> Data:
    from .rows import array_rows, table_rows

    train, array = parts["train"], opened.array
    if array is None and inputs[0].kind == "text":
        rows, read = text_rows(inputs[0], train, text)
        meta["texts"] = asdict(read)
    else:
        rows = table_rows(inputs, train) if array is None else array_rows(array, train)
    meta["rows"] = {part: len(numbers) for part, numbers in parts.items()}
    meta |= {"kind": rows.kind, "feature_shape": list(rows.feature_shape)}
    schema = [{"name": c.name, "kind": c.kind, "shape": list(c.shape)} for c in rows.columns]
    sha = content_hash({**meta, "columns": schema}, {**rows.blocks, "targets": targets, **parts})
    meta["columns"] = [_column_meta(column) | ({"picture": True} if opened.pictures else {}) for column in rows.columns]

    def write(folder: Path) -> None:
        rows.write(folder)
        if opened.sides is not None:
            np.save(folder / SIDES, opened.sides)
        np.save(folder / "targets.npy", targets)
        np.savez(folder / "split.npz", allow_pickle=False, **parts)

    return put(ws, sha, meta, name, write)


def _column_meta(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "shape": list(column.shape),
        "categories": list(column.categories),
        "low": column.low,
        "high": column.high,
        **({"tokens": asdict(column.tokens)} if column.tokens else {}),
    }
