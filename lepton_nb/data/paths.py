"""Tables with a column of paths: each row becomes the picture that its path leads to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from .columns import TypedColumn, first_rows
from .pictures import PICTURES, read_pictures, sides, size_of
from .queries import is_query
from .roles import only_input, others_and_times
from .sources import Choices, Source

__all__ = ["are_paths", "pictures_at", "places_of", "with_pictures"]

_ENDS = rf"(?i)\.({'|'.join(suffix[1:] for suffix in PICTURES)})$"


def places_of(source: Any, root: Path | None) -> tuple[Path, ...]:
    """The folders that paths of a table may lead into; they are relative to the first one.

    Args:
        source: what `open_source` takes.
        root: the project, whose folders are as good as that of the table; None for the table's alone.

    Returns:
        The folder of a file, or the current one for rows that come from none; then the project.
    """
    in_file = isinstance(source, (str, Path)) and not is_query(str(source))
    folder = Path(source).expanduser().parent if in_file else Path.cwd()
    return (folder.absolute(), *(() if root is None else (root,)))


def are_paths(column: TypedColumn) -> bool:
    """Whether a column holds nothing but texts that end as files of pictures do."""
    import pyarrow.compute as pc

    if column.kind != "category" or column.raw is None or column.cells.null_count == len(column.cells):
        return False
    return bool(pc.all(pc.match_substring_regex(column.cells, _ENDS)).as_py())


def with_pictures(
    source: Source,
    targets: Collection[str],
    time_column: str | None,
    ignore: Any,
    choices: Choices,
    places: Sequence[Path],
) -> Source:
    """A table whose only input is paths of pictures, as an array of these; any other source as it is.

    Args:
        source: opened rows.
        targets: names of the targets, which are no inputs.
        time_column: name of the column that orders the rows.
        ignore: names of columns that are no inputs, or one name.
        choices: which column it is (default: seen by its values), and how pictures are read.
        places: as `places_of` gives them; none for rows that were loaded before, whose texts lead nowhere.

    Raises:
        UsageError, NotFoundError: the column that was named is no input, or the rows are no table.
        DataError: there are other inputs, or a path leads to no picture that could be read.
    """
    if source.array is not None or not places:
        if choices.image is None:
            return source
        raise UsageError(
            f"{source.name} has no column of paths", expected="a table that is not loaded yet", hint="leave --image out"
        )
    others, _ = others_and_times(source, targets, time_column, ignore)
    if choices.image is None:
        if len(others) != 1 or not are_paths(others[0]):
            return source
        column = others[0]
    else:
        column = only_input(source, others, choices.image, "image")
    files = _files(column, places)
    array = read_pictures(files, size_of(choices.image_size), grey=choices.grey)
    columns = tuple(one for one in source.columns if one is not column)
    return replace(source, columns=columns, array=array, pictures=True, sides=sides(files))


def pictures_at(rows: Source, size: tuple[int, int], *, grey: bool, places: Sequence[Path]) -> NDArray[np.float32]:
    """The pictures of a table to predict, by the only column that holds paths of such.

    Args:
        rows: a table; its other columns are left aside.
        size: height and width to scale to.
        grey: one channel instead of three.
        places: as `places_of` gives them.

    Returns:
        float32 [N, 1 or 3, height, width].

    Raises:
        DataError: there is no such column, or more than one, or a path leads to no picture that could be read.
    """
    found = [column for column in rows.columns if are_paths(column)]
    if len(found) != 1:
        raise DataError(
            f"{rows.name} is a table",
            expected="one column of paths of images, or an array of them",
            got=f"{len(found)} such columns" + "".join(f", {column.name!r}" for column in found[:5]),
        )
    return read_pictures(_files(found[0], places), size, grey=grey)


def _files(column: TypedColumn, places: Sequence[Path]) -> list[Path]:
    """Where each path leads: an existing file below one of the places.

    Raises:
        DataError: a row has no path, or one that leads elsewhere or nowhere.
    """
    if column.kind != "category":
        held = "numbers" if column.kind == "number" else column.cells.type
        raise DataError(f"image {column.name!r} holds {held}", expected="paths of images")
    if column.cells.null_count:
        empty = column.cells.is_null().to_numpy(zero_copy_only=False)
        raise DataError(
            f"image {column.name!r} is missing in {int(empty.sum())} of {len(empty)} rows ({first_rows(empty)})",
            expected="a path in every row",
            hint="remove these rows, or fill in their paths",
        )
    roots = [place.resolve() for place in places]
    return [_file(text, number, places[0], roots) for number, text in enumerate(column.cells.to_pylist(), 1)]


def _file(text: str, row: int, folder: Path, roots: Sequence[Path]) -> Path:
    shown = text if len(text) <= 80 else f"...{text[-77:]}"
    try:
        path = (folder / text).resolve()
        # Told before whether it exists: what lies elsewhere is nobody's to ask about.
        if not any(path.is_relative_to(root) for root in roots):
            raise DataError(
                f"image {shown!r} in row {row} lies outside of {' and '.join(map(str, roots))}",
                expected=f"a path relative to {folder}, that stays within",
                hint="put the images beside the table",
            )
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError):
        # A name too long, a zero byte, links that lead round.
        exists = False
    if not exists:
        raise DataError(
            f"image {shown!r} in row {row} does not exist",
            expected=f"a file below {folder}",
            hint="paths are relative to the folder of the table; of a DataFrame or a query to the current folder; "
            "--text COLUMN reads them as texts",
        )
    return path
