"""`lepton data`: data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from ..records import Check, Data, Drift, Profile
from ..workspace import current as current_workspace
from .declare import Arg, Opt
from .find import source_of, table_of

_ARG_TEXT = "{}: a .csv or .parquet file, a SELECT, a data set, a DataFrame."
_SOURCE = Arg(
    "a .csv or .parquet file, a folder of pictures, a SELECT, a scikit-learn name such as digits, a DataFrame, (X, y).",
    "SOURCE",
    completes="data",
)

_Task = Annotated[
    Literal["classification", "regression", "multilabel"] | None,
    Opt("What is predicted (default: numbers where the target is fractional, else classes)."),
]
_Split = Annotated[
    Literal["stratified", "random", "time", "folders"] | None,
    Opt("How rows are split (default: as a folder is, else stratified; numbers at random)."),
]

_Image = Annotated[
    str | None, Opt("The only input, which is paths of images beside the table (default: seen by itself).", "COLUMN")
]
_Horizon = Annotated[int | None, Opt("Forecast the target so many steps ahead; needs --time-column.", "STEPS")]
_History = Annotated[int | None, Opt("Steps back that a forecast sees (default: 4 times the horizon).", "STEPS")]


def data_load(
    source: Annotated[object, _SOURCE],
    *,
    target: Annotated[str | None, Opt("Column to predict; A,B for several.", "COLUMN")] = None,
    task: _Task = None,
    name: Annotated[str | None, Opt("A name for people.")] = None,
    test_size: Annotated[float, Opt("Share of the rows kept for the test.")] = 0.2,
    validation_size: Annotated[float, Opt("Share of the rows kept for validation.")] = 0.1,
    seed: Annotated[int, Opt("Seed of the split.")] = 0,
    split: _Split = None,
    time_column: Annotated[str | None, Opt("Column to sort by, for a split by time.", "COLUMN")] = None,
    ignore: Annotated[tuple[str, ...], Opt("A column to leave out; repeatable.", "COLUMN")] = (),
    image_size: Annotated[str | None, Opt("Scale pictures to this size (default: their own).", "HxW")] = None,
    image: _Image = None,
    grey: Annotated[bool, Opt("Pictures with one channel (default: when all are grey).")] = False,
    stream: Annotated[bool, Opt("Read a Parquet file in batches (default: when it is large for the memory).")] = False,
    horizon: _Horizon = None,
    history: _History = None,
    text: Annotated[str | None, Opt("The only input, which is text (default: seen by itself).", "COLUMN")] = None,
    tokenizer: Annotated[Literal["bpe", "wordpiece"] | None, Opt("Of a text (default: bpe).")] = None,
    vocabulary: Annotated[int | None, Opt("Tokens that a text's tokenizer knows (default: 1024).")] = None,
    max_length: Annotated[int | None, Opt("Tokens of a text at most (default: 256).")] = None,
) -> Data:
    """Load data, split it and keep it under its hash.

    A single input of text is read as tokens (their tokenizer is trained on the training part), one of paths as images.

    Returns:
        The handle; its text is the hash, so it passes between notebooks.
    """
    from .. import data

    read = {"column": text, "tokenizer": tokenizer, "vocabulary": vocabulary, "max_length": max_length}
    asked: dict[str, Any] = {name: value for name, value in read.items() if value is not None}
    return data.load(
        current_workspace(),
        source_of(source),
        target=target,
        task=task,
        name=name,
        test_size=test_size,
        validation_size=validation_size,
        seed=seed,
        split=split,
        time_column=time_column,
        ignore=ignore,
        choices=data.Choices((), table_of, image_size, grey or None, stream or None, image or None),
        text=data.TextOptions(**asked) if asked else None,
        series=data.series_of(history, horizon),
    )


def data_check(
    source: Annotated[object, _SOURCE], *, target: Annotated[str | None, Opt("Column to predict.", "COLUMN")] = None
) -> Check:
    """Look for what would spoil a model: leaks, constants, duplicates, imbalance."""
    from .. import data

    return data.check(current_workspace(), source_of(source), target=target, tables=table_of)


def data_profile(
    source: Annotated[object, _SOURCE], *, target: Annotated[str | None, Opt("Column to predict.", "COLUMN")] = None
) -> Profile:
    """Describe each column: type, missing, unique, quantiles, and the balance of the classes."""
    from .. import data

    return data.profile(current_workspace(), source_of(source), target=target, tables=table_of)


def data_drift(
    current: Annotated[object, Arg(_ARG_TEXT.format("the rows of now"), "CURRENT", completes="data")],
    reference: Annotated[object, Arg(_ARG_TEXT.format("the rows to compare with"), "REFERENCE", completes="data")],
) -> Drift:
    """Compare two tables column by column: which have moved, and how far.

    Columns that only one of them has are left aside. PSI and KS are of all rows; Parquet files are read a column at a
    time.
    """
    from .. import drift

    now, before = (_columns_of(source_of(one)) for one in (current, reference))
    return drift.compare_tables(now, before)


def _columns_of(source: object) -> Mapping[str, Callable[[], Any]]:
    """Per column of a table what reads it."""
    from .. import drift

    if isinstance(source, (str, Path)) and Path(source).suffix.lower() == ".parquet":
        return drift.columns_of_file(Path(source).expanduser())
    # Imported for whatever else rows come from.
    from .. import data

    return data.columns_of(current_workspace(), source, table_of)
