"""Files of pictures as one array."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..runtime.pictures import PictureError, opened, sides_of, values_of
from .memory import available_memory

__all__ = ["PICTURES", "read_pictures", "sides", "size_of"]

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L")


def size_of(text: Any) -> tuple[int, int] | None:
    """Height and width from `HxW` or `N`; None of nothing.

    Raises:
        UsageError: it is neither.

    Example:
        >>> size_of("32x48"), size_of(28), size_of(None)
        ((32, 48), (28, 28), None)
    """
    if text is None or text == "":
        return None
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", str(text).strip().lower())
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not height or not width:
        raise UsageError(
            f"image size {text!r} is no size", expected="HEIGHTxWIDTH or one number", hint="--image-size 64x64"
        )
    return height, width


def read_pictures(
    files: Sequence[Path], size: tuple[int, int] | None = None, *, grey: bool | None = None
) -> NDArray[np.float32]:
    """Pictures as numbers from 0 (black) to 255, turned as their camera says.

    Of an animation the first frame is taken; transparency is left aside; 16 bits per value are brought to the same
    range.

    Args:
        files: the pictures; at least one.
        size: height and width to scale to, without regard to the sides' ratio; by default the size they all have.
        grey: one channel instead of three; by default when every picture is grey.

    Returns:
        float32 [N, 1 or 3, height, width].

    Raises:
        DataError: a picture is broken or too large, two have different sizes and none was asked for, or all of them
            do not fit into the memory.
    """
    found, all_grey = _looked_at(files, size)
    height, width = size or found
    channels = 1 if (all_grey if grey is None else grey) else 3
    needed = 4 * len(files) * channels * height * width
    # The split, the hash and the training take parts of it again.
    if needed > available_memory() // 2:
        raise DataError(
            f"{len(files)} pictures of {height}x{width} need {needed / 2**30:.1f} GiB",
            expected=f"at most {available_memory() / 2**31:.1f} GiB, half of the free memory",
            hint=f"--image-size {max(1, height // 4)}x{max(1, width // 4)}",
        )
    array = np.empty((len(files), channels, height, width), np.float32)
    for index, path in enumerate(files):
        with _opened(path) as picture:
            array[index] = values_of(picture, (height, width), grey=channels == 1)
    return array


def sides(files: Sequence[Path]) -> NDArray[np.int32]:
    """Width and height of each picture before it is scaled, int32 [N, 2]; only headers are read.

    Raises:
        DataError: a picture is broken or too large.
    """
    found = np.empty((len(files), 2), np.int32)
    for index, path in enumerate(files):
        with _opened(path) as picture:
            found[index] = sides_of(picture)
    return found


def _looked_at(files: Sequence[Path], size: tuple[int, int] | None) -> tuple[tuple[int, int], bool]:
    """The common size, and whether every picture is grey; only headers are read."""
    first: tuple[int, int] | None = None
    grey = True
    for path in files:
        with _opened(path) as picture:
            width, height = sides_of(picture)
            grey = grey and picture.mode in _GREY
        if first is None:
            first = height, width
        elif size is None and first != (height, width):
            raise DataError(
                f"pictures have different sizes: {files[0]} {first[0]}x{first[1]}, {path} {height}x{width}",
                expected="one size (height x width)",
                hint=f"--image-size {min(first[0], height)}x{min(first[1], width)} scales all of them",
            )
    return first or (0, 0), grey


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The picture; whatever cannot be read of it within the block names the file."""
    try:
        with opened(path) as picture:
            yield picture
    except PictureError as fault:
        raise DataError(f"{path} {fault.what}", expected=fault.expected, got=fault.got, hint=fault.hint) from fault
