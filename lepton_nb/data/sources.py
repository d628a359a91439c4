"""Where rows come from: a name scikit-learn ships, a file or folder, a query, a DataFrame, or arrays."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, NotFoundError, UsageError
from ..records import refuse_duplicates
from .arrays import finite, numbers_of
from .columns import TypedColumn, typed
from .folders import read_folder
from .pictures import size_of
from .queries import Tables, is_query, run_query

__all__ = [
    "SUFFIXES",
    "Choices",
    "Source",
    "array_column",
    "is_builtin",
    "open_source",
    "source_name",
]

# Names that scikit-learn ships with its own files; nothing is downloaded.
_BUILT_IN = ("breast_cancer", "diabetes", "digits", "iris", "wine")
_PREFIX = "sklearn:"
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


@dataclass(frozen=True)
class Source:
    """Rows whose columns are typed but not yet split into inputs and target.

    Args:
        name: for people, a legal name.
        columns: the columns of a table, target included; the target alone of an array.
        array: float32 [N, *shape], or None for a table.
        target: name of the target where the source knows it, or names.
        parts: row numbers of the parts that the source has split off itself.
        pictures: whether the rows of the array are pictures, whose values go from 0 to 255.
        task: what the target asks for, where the source knows that.
        sides: int32 [N, 2], width and height of the pictures before they were scaled; None where they are not known.
    """

    name: str
    columns: tuple[TypedColumn, ...]
    array: Any = None
    target: str | tuple[str, ...] | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    pictures: bool = False
    task: str | None = None
    sides: Any = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the target columns that the source knows."""
        return self.target if isinstance(self.target, tuple) else (self.target,) if self.target else ()


@dataclass(frozen=True)
class Choices:
    """How a source is read where that is open.

    Args:
        as_text: columns of a CSV file that stay text even when they read as numbers.
        tables: gives a query the DataFrame or Arrow table of a name, or None.
        image_size: `HxW` or `N`, what pictures are scaled to; by default the size they all have.
        grey: pictures have one channel; by default when all of them are grey.
        stream: a Parquet file is read a batch of rows at a time; by default when it would take more than a third of
            the memory.
        image: the column of a table that holds paths of pictures; by default the only input, where it holds such.
    """

    as_text: Collection[str] = ()
    tables: Tables | None = None
    image_size: str | int | None = None
    grey: bool | None = None
    stream: bool | None = None
    image: str | None = None

    def __post_init__(self) -> None:
        size_of(self.image_size)


def is_builtin(name: str) -> bool:
    """Whether `name` is a data set that scikit-learn ships: `digits`, or `sklearn:digits`."""
    return name in _BUILT_IN or name.startswith(_PREFIX)


def open_source(source: Any, target: str | None = None, choices: Choices | None = None) -> Source:
    """Read a source.

    Args:
        source: `digits`, `breast_cancer`, `diabetes`, `iris`, `wine` or `sklearn:NAME`; the path of a .csv, .tsv or
            .parquet file; a folder of pictures, one folder per class, below `train`, `validation` and `test` or not,
            whose rows are float32 [channels, height, width] of 0 to 255; one SELECT in DuckDB's SQL; a DataFrame or an
            Arrow table; or a pair of arrays: X [N, F] becomes a table of F numbers `x0`, `x1`, ..., X of more
            dimensions stays one float32 array per row; y [N].
        target: name of the target column, when it is known.
        choices: how it is read.

    Raises:
        NotFoundError: there is no such file or name.
        DataError: the rows cannot be used as they are.
        UsageError: `source` is none of these.
    """
    import pyarrow as pa

    choices = choices or Choices()
    if isinstance(source, (str, Path)):
        text = str(source)
        if is_builtin(text):
            return _built_in(text.removeprefix(_PREFIX))
        if is_query(text):
            return Source("query", _columns(run_query(text, choices.tables)))
        return _file(text, target, choices)
    if isinstance(source, tuple) and len(source) == 2:
        return _pair(*source, target)
    if isinstance(source, pa.Table):
        return Source("table", _columns(source))
    if hasattr(source, "columns") and hasattr(source, "dtypes"):
        return Source("frame", _frame(source))
    raise UsageError(
        f"{type(source).__name__} is no data source",
        expected=f"a name ({', '.join(_BUILT_IN)}), a .csv or .parquet file, a folder of pictures, a SELECT, "
        "a DataFrame, or a pair (X, y)",
    )


def _built_in(name: str) -> Source:
    import sklearn.datasets

    if name not in _BUILT_IN:
        raise NotFoundError(f"scikit-learn ships no data set {name!r}", expected=f"one of {', '.join(_BUILT_IN)}")
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    labels = bunch.target
    if name == "digits":
        return Source(name, (array_column("target", labels),), bunch.images[:, None].astype(np.float32), "target")
    if hasattr(bunch, "target_names"):
        labels = _categorical(labels, bunch.target_names)
    columns = [array_column(str(n), v) for n, v in zip(bunch.feature_names, bunch.data.T, strict=True)]
    return Source(name, (*columns, array_column("target", labels)), target="target")


def _file(text: str, target: str | None, choices: Choices) -> Source:
    if not text or text.isspace():
        raise DataError("the data has no name", expected=f"a file, or one of {', '.join(_BUILT_IN)}")
    try:
        # A home folder that nobody has is a RuntimeError; a name too long or a folder that is closed an OSError.
        path = Path(text).expanduser()
        return _folder(path, target, choices) if path.is_dir() else _read_file(path, choices.as_text)
    except (OSError, RuntimeError) as cause:
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        why = getattr(cause, "strerror", None) or str(cause)
        raise DataError(f"data {shown!r} cannot be read", expected="the path of a file", got=why) from cause


def _read_file(path: Path, as_text: Collection[str]) -> Source:
    from .csv_file import read_csv

    if not path.exists():
        raise NotFoundError(
            f"data {str(path)!r} does not exist",
            expected=f"a file, or one of {', '.join(_BUILT_IN)}",
            hint=f"check the path; the current folder is {Path.cwd()}",
        )
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path} is of a kind that is not read",
            expected=f"a name that ends in {', '.join(SUFFIXES)}",
            got=suffix or "no suffix",
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty", expected="a line of column names, then rows")
    if suffix in {".parquet", ".pq"}:
        return Source(source_name(path.stem), _parquet(path))
    return Source(source_name(path.stem), read_csv(path, as_text))


def source_name(text: str) -> str:
    """A legal name that is like the one of a file or folder."""
    return re.sub(r"[^a-z0-9_.-]+", "_", text.lower()).lstrip("_.-")[:63] or "file"


def _folder(path: Path, target: str | None, choices: Choices) -> Source:
    found = read_folder(path, size_of(choices.image_size), grey=choices.grey)
    labels = typed(target := target or "class", _categorical(found.labels, found.classes))
    known: dict[str, Any] = {"parts": found.parts, "pictures": True, "sides": found.sides}
    return Source(source_name(path.resolve().name), (labels,), found.array, target, **known)


def _parquet(path: Path) -> tuple[TypedColumn, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except MemoryError as cause:
        raise DataError(f"{path} does not fit into the memory", got=str(cause), hint="--stream") from cause
    except (pa.ArrowException, OSError) as cause:
        raise DataError(f"{path} is not a readable Parquet file", got=str(cause)) from cause
    # pandas keeps an unnamed index in a column of this name; it is no data.
    index = [n for n in table.column_names if re.fullmatch(r"__index_level_\d+__", n)]
    return _columns(table.drop_columns(index))


def _columns(table: Any) -> tuple[TypedColumn, ...]:
    refuse_duplicates(table.column_names)
    if not table.num_rows:
        raise DataError("the table has no rows", expected="at least 3 rows")
    return tuple(typed(name, table.column(name)) for name in table.column_names)


def _frame(frame: Any) -> tuple[TypedColumn, ...]:
    refuse_duplicates([str(name) for name in frame.columns])
    if not len(frame):
        raise DataError("the table has no rows", expected="at least 3 rows")
    return tuple(_series(str(name), frame[name]) for name in frame.columns)


def _series(name: str, series: Any) -> TypedColumn:
    import pyarrow as pa

    try:
        return typed(name, pa.array(series, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError):
        # Numbers and text mixed: what remains is their text.
        text = [None if missing else str(value) for value, missing in zip(series, series.isna(), strict=True)]
        return typed(name, pa.array(text, pa.string()))


def _pair(x: Any, y: Any, target: str | None) -> Source:
    target = target or str(getattr(y, "name", None) or "target")
    x, labels = (x if hasattr(x, "shape") else _regular(x, "X")), _regular(y, "y")
    rows = x.shape
    if len(rows) < 2 or labels.ndim != 1 or rows[0] != len(labels):
        raise DataError(
            f"arrays of shape {tuple(rows)} and {labels.shape} do not fit",
            expected="X [rows, ...] and y [rows], one class per row",
            hint="y.argmax(axis=1) turns one-hot rows into classes" if labels.ndim == 2 else "",
        )
    if not rows[0]:
        raise DataError("the arrays have no rows", expected="at least 3 rows")
    if 0 in rows:
        raise DataError(f"X has the shape {tuple(rows)}", expected="at least one number in each row")
    labelled = array_column(target, labels)
    if hasattr(x, "columns"):
        refuse_duplicates([*map(str, x.columns), target])
        return Source("frame", (*_frame(x), labelled), target=target)
    values = numbers_of(x)
    if values.ndim > 2:
        return Source("arrays", (labelled,), finite(values), target)
    columns = [array_column(f"x{i}", values[:, i]) for i in range(values.shape[1])]
    return Source("arrays", (*columns, labelled), target=target)


def _regular(values: Any, what: str) -> Any:
    try:
        return np.asarray(values)
    except ValueError as cause:
        expected = "rows of one length" if what == "X" else "one class per row"
        raise DataError(f"{what} is no array", expected=expected, got=str(cause)) from cause


def array_column(name: str, values: Any) -> TypedColumn:
    """A column from a one-dimensional NumPy or Arrow array."""
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return typed(name, values)
    if values.dtype.kind == "O":
        import pandas as pd

        return _series(name, pd.Series(values))
    return typed(name, pa.array(np.ascontiguousarray(values)))


def _categorical(codes: Any, names: Any) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([str(name) for name in names]))
