"""Folders of pictures: one folder per class, below `train`, `validation` and `test` or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .pictures import PICTURES, read_pictures, sides

__all__ = ["PictureFolder", "pictures_in", "read_folder"]

# What the folders of the parts are called by those who make such data.
_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_LAYOUT = "FOLDER/CLASS/picture.png, or FOLDER/train/CLASS/picture.png with test and validation beside train"


@dataclass(frozen=True)
class PictureFolder:
    """What a folder of pictures holds.

    Args:
        array: float32 [N, channels, height, width], 0 to 255.
        labels: int64 [N], the class of each picture.
        classes: names of the class folders, sorted.
        parts: row numbers of the parts that have folders of their own; empty where none has.
        sides: int32 [N, 2], width and height of each picture in its file.
    """

    array: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    parts: dict[str, NDArray[np.int64]]
    sides: NDArray[np.int32]


def read_folder(root: Path, size: tuple[int, int] | None, *, grey: bool | None = None) -> PictureFolder:
    """Every picture below the class folders, in the order of part, class and name.

    Hidden files, and files that are no pictures by their suffix, are left out.

    Args:
        root: the folder.
        size: as in `read_pictures`.
        grey: as in `read_pictures`.

    Raises:
        DataError: it is no such folder, a class has no pictures, a link leads out of it, or a picture is broken.
    """
    tops = _parts_of(root)
    files: list[Path] = []
    rows: list[tuple[str, str]] = []
    for part, top in tops:
        for folder in _class_folders(top):
            found = list(pictures_in(folder, root))
            if not found:
                raise DataError(
                    f"class folder {folder} has no pictures",
                    expected=f"files that end in {', '.join(PICTURES)}",
                    hint="put pictures into it, or remove it",
                )
            files += found
            rows += [(part, folder.name)] * len(found)
    classes = sorted({name for _, name in rows})
    learned = {name for part, name in rows if part in {"", "train"}}
    if missing := [name for name in classes if name not in learned]:
        raise DataError(
            f"class {missing[0]!r} has no pictures to learn from",
            expected=f"a folder {missing[0]!r} below that of the training part",
            hint="add it there, or remove it from the other parts",
        )
    labels = np.array([classes.index(name) for _, name in rows], np.int64)
    parts = {part: np.flatnonzero([one == part for one, _ in rows]) for part, _ in tops if part}
    return PictureFolder(read_pictures(files, size, grey=grey), labels, tuple(classes), parts, sides(files))


def pictures_in(folder: Path, root: Path) -> Iterator[Path]:
    """The pictures in a folder and those below it, sorted.

    A link may point to a file or a folder within `root`. One that leads out of it is refused and not left out: rows
    would be missing without a word, or the data would be another on another machine.

    Raises:
        DataError: a link leads out of `root`, or nowhere.
    """
    inside = root.resolve()
    for path in _seen(folder):
        if path.is_symlink():
            aim = path.resolve()
            if not aim.exists() or not aim.is_relative_to(inside) or folder.resolve().is_relative_to(aim):
                raise DataError(
                    f"{path} is a link that leads out of {root} or nowhere",
                    expected="pictures in the folder itself",
                    got=str(aim),
                    hint="put a copy of the file in its place",
                )
        if path.is_dir():
            yield from pictures_in(path, root)
        elif path.suffix.lower() in PICTURES:
            yield path


def _seen(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _seen(folder) if path.is_dir()]


def _parts_of(root: Path) -> list[tuple[str, Path]]:
    """The folders of the parts, or the root alone for a part without a name."""
    tops = [(_PARTS.get(folder.name.lower(), ""), folder) for folder in _folders(root)]
    names = [part for part, _ in tops]
    if len(tops) < 2 or "train" not in names or "" in names:
        return [("", root)]
    if twice := {part for part in names if names.count(part) > 1}:
        both = ", ".join(str(folder) for part, folder in tops if part in twice)
        raise DataError(f"{both} are the same part", expected=_LAYOUT, hint="put their pictures together")
    return tops


def _class_folders(top: Path) -> Sequence[Path]:
    folders = _folders(top)
    if not folders:
        raise DataError(
            f"{top} is a folder without class folders",
            expected=f"{_LAYOUT}; or the path of a .csv or .parquet file",
            hint="make one folder per class, or pass one of the files in it",
        )
    if loose := [path for path in _seen(top) if path.is_file() and path.suffix.lower() in PICTURES]:
        raise DataError(
            f"{loose[0]} is in no class folder", expected=_LAYOUT, hint="move it into the folder of its class"
        )
    return folders
