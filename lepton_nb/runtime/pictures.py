"""Pictures become numbers, in the same way when a model is trained and when it is served."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .errors import RequestError
from .formats import Input

__all__ = ["FORMATS", "KINDS", "PictureError", "decoded", "from_base64", "measured", "opened", "sides_of", "values_of"]

# Named, so that no decoder is tried that runs another program, as Pillow's of PostScript does.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112
# Of a side of a picture the formats have 32 bits.
_LARGEST = 2**62
# Of a picture that is sent: a few kilobytes may stand for many, and several are read at once.
_MOST_PIXELS = 16_000_000
KINDS = tuple(f"image/{name.lower()}" for name in FORMATS)


class PictureError(Exception):
    """A picture cannot be read.

    Args:
        what: what is wrong with it, to be put behind its name.
        expected: what would be right.
        got: what there is instead.
        hint: what to do about it.
    """

    def __init__(self, what: str, expected: str = "", got: str = "", hint: str = "") -> None:
        self.what, self.expected, self.got, self.hint = what, expected, got, hint
        super().__init__(what, expected, got, hint)


@contextlib.contextmanager
def opened(source: Path | io.BytesIO, most: int | None = None) -> Iterator[Any]:
    """The picture of a file; whatever its decoder raises within the block is one fault.

    Args:
        source: the file, or its bytes.
        most: pixels at most; default: as many as Pillow takes for no attack.

    Raises:
        PictureError: it is broken, too large, or no picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source, formats=FORMATS) as picture:
            limit = min(one for one in (most, Image.MAX_IMAGE_PIXELS, _LARGEST) if one)
            # Pillow warns from its limit on and raises from twice that on: a few bytes may stand for gigabytes.
            if picture.width * picture.height > limit:
                raise PictureError(
                    f"has {picture.width} x {picture.height} pixels",
                    f"at most {limit} pixels",
                    hint="remove it, or scale it down",
                )
            yield picture
    except Image.DecompressionBombError as cause:
        raise PictureError("is too large a picture", got=str(cause), hint="remove it, or scale it down") from cause
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, struct.error) as cause:
        why = "no picture of a kind that is read" if isinstance(cause, UnidentifiedImageError) else str(cause)
        expected = f"a whole {', '.join(map(str.lower, FORMATS))} file"
        raise PictureError("is not a readable picture", expected, why, "remove it, or save it again") from cause


def sides_of(picture: Any) -> tuple[int, int]:
    """Width and height of a picture of Pillow in pixels, turned as its camera says; only its header is read."""
    width, height = picture.size
    return (height, width) if picture.getexif().get(_ORIENTATION) in _TURNED else (width, height)


def measured(content: bytes | str) -> tuple[int, int] | None:
    """Width and height of a picture as it was sent; None where its bytes do not tell them.

    Args:
        content: the bytes of its file, or these in base64.
    """
    with contextlib.suppress(PictureError, binascii.Error, ValueError):
        whole = base64.b64decode(content, validate=True) if isinstance(content, str) else content
        with opened(io.BytesIO(whole), _MOST_PIXELS) as picture:
            return sides_of(picture)
    return None


def values_of(picture: Any, size: tuple[int, int], *, grey: bool) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The numbers of a picture, from 0 (black) to 255, turned as its camera says.

    Of an animation the first frame is taken; transparency is left aside; 16 bits per value are brought to the same
    range.

    Args:
        picture: of Pillow, open.
        size: height and width to scale to, without regard to the sides' ratio.
        grey: one channel instead of three.

    Returns:
        float32 [1 or 3, height, width].

    Raises:
        PictureError: its numbers have 32 bits.
    """
    from PIL import Image, ImageOps

    mode = "L" if grey else "RGB"
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in {"I", "F"}:
        raise PictureError("holds numbers of 32 bits", "8 or 16 bits per value", hint="save it again with 8 bits")
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray(np.asarray(picture).astype(np.float32) / 257)
    elif picture.mode != mode:
        picture = picture.convert(mode)
    if picture.size != (size[1], size[0]):
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    values = np.asarray(picture, np.float32)
    if values.ndim == 3:
        return values.transpose(2, 0, 1)
    return np.broadcast_to(values, (1 if grey else 3, *values.shape))


def decoded(content: bytes, one: Input, row: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The value of a picture input from a file's bytes.

    Args:
        content: of the file.
        one: the input, of shape [1 or 3, height, width].
        row: whose value it is.

    Returns:
        float32 of the input's shape.

    Raises:
        RequestError: 422, naming the row and the field.
    """
    channels, height, width = one.shape
    try:
        with opened(io.BytesIO(content), _MOST_PIXELS) as picture:
            return np.ascontiguousarray(values_of(picture, (height, width), grey=channels == 1))
    except PictureError as fault:
        rest = "".join(f"; {name} {text}" for name, text in (("expected", fault.expected), ("got", fault.got)) if text)
        message = f"row {row}, field {one.name!r}: it {fault.what}{rest[:200]}"
        raise RequestError(422, "invalid_row", message, row=row) from None


def from_base64(text: str, one: Input, row: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """As `decoded`, from the file's bytes in base64, as JSON carries them."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        message = f"row {row}, field {one.name!r}: expected a picture's bytes in base64, or nested lists"
        raise RequestError(422, "invalid_row", message, row=row) from None
    return decoded(content, one, row)
