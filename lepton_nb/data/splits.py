"""Which row goes into which part. Pure functions of a seed; the parts' row numbers are sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError

__all__ = ["PARTS", "SplitPlan", "Strategy", "by_time", "completed", "part_sizes", "random", "split_rows", "stratified"]

PARTS = ("train", "validation", "test")
Strategy = Literal["stratified", "random", "time", "folders"]

Index = NDArray[np.int64]
Parts = dict[str, Index]


@dataclass(frozen=True)
class SplitPlan:
    """How rows are to be split.

    Args:
        strategy: `stratified` (each class in each part), `random`, or `time` (the newest rows test), or `folders`
            (as the source has split them; a part that it lacks is drawn from its training part).
        seed: of the draw; not used by `time`.
        test_size: share of the test part.
        validation_size: share of the validation part.
        time_column: the column that orders the rows, for `time` and only for it.
    """

    strategy: Strategy = "stratified"
    seed: int = 0
    test_size: float = 0.2
    validation_size: float = 0.1
    time_column: str | None = None

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise UsageError(f"split {self.strategy!r} is unknown", expected=f"one of {', '.join(get_args(Strategy))}")
        # Checked, not converted: 1.7 is no seed, and 1 in its place would be another split than was asked for.
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise UsageError(f"seed {self.seed!r} is not a whole number", expected="a whole number from 0")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative", expected="a whole number from 0")
        if self.strategy == "time" and self.time_column is None:
            raise UsageError("split 'time' needs the column that orders the rows", hint="pass --time-column NAME")
        if self.strategy != "time" and self.time_column is not None:
            raise UsageError(
                f"time column {self.time_column!r} does not fit split {self.strategy!r}",
                expected="a time column with --split time only",
                hint=f"--split time, or --ignore {self.time_column!r} to leave the column out",
            )
        for name, share in (("test size", self.test_size), ("validation size", self.validation_size)):
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
                shown = f"{share:g}" if isinstance(share, (int, float)) else repr(share)
                raise UsageError(
                    f"{name} {shown} is not a share",
                    expected="a number between 0 and 1",
                    hint=f"--{name.replace(' ', '-')} 0.2",
                )
        if self.test_size + self.validation_size >= 1:
            raise UsageError(
                f"test size {self.test_size:g} and validation size {self.validation_size:g} leave nothing to train on",
                expected="two shares whose sum is below 1",
                hint="--test-size 0.2 --validation-size 0.1",
            )


def split_rows(
    targets: NDArray[Any],
    classes: Sequence[str],
    times: NDArray[Any] | None,
    plan: SplitPlan,
    given: Mapping[str, Index] | None = None,
) -> Parts:
    """Row numbers of each part.

    Args:
        targets: [N], class indices; or any [N, K].
        classes: their names; none of targets that are no classes, which cannot be stratified.
        times: [N], numbers that order the rows, for a split by time.
        plan: how to split.
        given: parts that the source has split itself, for `folders`.

    Raises:
        UsageError: the plan is `folders`, and the source has none, or wants classes where there are none.
        DataError: there are too few rows, or the training part would have one class.
    """
    sizes = part_sizes(len(targets), plan.test_size, plan.validation_size)
    if not classes and plan.strategy in {"stratified", "folders"}:
        raise UsageError(
            f"split {plan.strategy!r} needs classes, and the target holds none",
            expected="random or time",
            hint="--split random",
        )
    if plan.strategy == "folders":
        parts = completed(given or {}, targets, classes, plan)
    elif plan.strategy == "time":
        parts = by_time(np.asarray(times), sizes)
    elif plan.strategy == "random":
        parts = random(len(targets), sizes, plan.seed)
    else:
        parts = stratified(targets, classes, sizes, plan.seed)
    if not classes:
        return parts
    seen = np.unique(targets[parts["train"]])
    if len(seen) < 2:
        raise DataError(
            f"the training part has one class, {classes[int(seen[0])]!r}",
            expected="at least two classes to tell apart",
            hint="--split stratified, or load more rows",
        )
    return parts


def part_sizes(rows: int, test_size: float, validation_size: float) -> tuple[int, int, int]:
    """Rows of the training, validation and test part; each has at least one.

    Args:
        rows: rows in all.
        test_size: share of the test part, between 0 and 1.
        validation_size: share of the validation part, between 0 and 1.

    Raises:
        DataError: there are fewer than three rows.

    Example:
        >>> part_sizes(10, 0.2, 0.1)
        (7, 1, 2)
    """
    if rows < 3:
        raise DataError(
            f"{rows} rows cannot be split",
            expected="at least 3 rows, one for each of train, validation and test",
            hint="load more rows",
        )
    test, validation = max(1, round(rows * test_size)), max(1, round(rows * validation_size))
    return max(1, rows - test - validation), validation, test


def random(rows: int, sizes: tuple[int, int, int], seed: int) -> Parts:
    """Rows drawn without a look at their classes."""
    order = np.random.default_rng(seed).permutation(rows).astype(np.int64)
    return _cut(order, sizes)


def by_time(times: NDArray[np.int64] | NDArray[np.float64], sizes: tuple[int, int, int]) -> Parts:
    """The oldest rows train, the newest test; rows of the same moment keep the order of the file."""
    return _cut(np.argsort(times, kind="stable").astype(np.int64), sizes)


def stratified(targets: Index, classes: Sequence[str], sizes: tuple[int, int, int], seed: int) -> Parts:
    """Every class in every part, as nearly in proportion as whole rows allow.

    Args:
        targets: [N], class indices.
        classes: their names.
        sizes: rows wanted per part (train, validation, test).
        seed: of the draw.

    Raises:
        DataError: a class has fewer rows than there are parts.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(targets, minlength=len(classes))
    rare = [f"{name!r} ({count})" for name, count in zip(classes, counts, strict=True) if count < 3]
    if rare:
        raise DataError(
            f"too few rows for a stratified split in {_listed(rare)}",
            expected="at least 3 rows per class, one for each of train, validation and test",
            hint="add rows, merge rare classes, or --split random",
        )
    validation = _quotas(counts, sizes[1], leave=2)
    test = _quotas(counts - validation, sizes[2], leave=1)
    parts: dict[str, list[Index]] = {part: [] for part in PARTS}
    for index in range(len(classes)):
        rows = generator.permutation(np.flatnonzero(targets == index).astype(np.int64))
        last, held = test[index], test[index] + validation[index]
        parts["test"].append(rows[:last])
        parts["validation"].append(rows[last:held])
        parts["train"].append(rows[held:])
    return {part: np.sort(np.concatenate(chunks)) for part, chunks in parts.items()}


def completed(given: Mapping[str, Index], targets: Index, classes: Sequence[str], plan: SplitPlan) -> Parts:
    """The parts that a source has; the ones it lacks are drawn from its training part, every class in proportion.

    Args:
        given: row numbers of the training part, and of others.
        targets: [N], class indices.
        classes: their names.
        plan: seed, and the shares of the training part that a missing part gets.

    Raises:
        UsageError: there is no training part.
        DataError: a class has too few rows to share them.
    """
    if "train" not in given:
        raise UsageError(
            "split 'folders' needs a source with a folder for each part",
            expected="FOLDER/train/CLASS and FOLDER/test/CLASS",
            hint="--split stratified",
        )
    parts = {part: np.asarray(rows, np.int64) for part, rows in given.items()}
    total, generator = len(parts["train"]), np.random.default_rng(plan.seed)
    for part, share in (("validation", plan.validation_size), ("test", plan.test_size)):
        if part in parts:
            continue
        train = parts["train"]
        counts = np.bincount(targets[train], minlength=len(classes))
        if counts.min() < 2:
            raise DataError(
                f"class {classes[int(counts.argmin())]!r} has too few training rows to draw a {part} part from",
                expected="at least 2 rows of each class",
                hint=f"add rows, or a folder {part}",
            )
        quotas = _quotas(counts, max(1, round(total * share)), leave=1)
        drawn = [generator.permutation(train[targets[train] == i])[:quota] for i, quota in enumerate(quotas)]
        parts[part] = np.sort(np.concatenate(drawn))
        parts["train"] = np.setdiff1d(train, parts[part])
    return {part: parts[part] for part in PARTS}


def _quotas(counts: NDArray[np.int64], total: int, *, leave: int) -> NDArray[np.int64]:
    """`total` rows shared among classes in proportion, by largest remainder; at least one of each, and `leave` left."""
    share = counts * (total / max(1, int(counts.sum())))
    quotas = np.floor(share).astype(np.int64)
    left = total - int(quotas.sum())
    quotas[np.argsort(quotas - share, kind="stable")[: max(0, left)]] += 1
    return np.asarray(np.clip(quotas, 1, counts - leave))


def _cut(order: Index, sizes: tuple[int, int, int]) -> Parts:
    train, validation, _ = sizes
    chunks = np.split(order, [train, train + validation])
    return {part: np.sort(chunk) for part, chunk in zip(PARTS, chunks, strict=True)}


def _listed(items: Sequence[str], most: int = 5) -> str:
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")
