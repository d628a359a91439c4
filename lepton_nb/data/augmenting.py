"""How the pictures of a training are varied, in the words that people ask for it by: `flip,shift=0.2`."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import UsageError, near
from ..records import Data

__all__ = ["augmentation_of", "refuse_augmentation"]

# What each does by itself, and at most; those without a number either do it or do not.
_WORDS: dict[str, tuple[float, float] | None] = {
    "flip": None,
    "turn": None,
    "shift": (0.1, 0.5),
    "rotate": (15.0, 180.0),
    "scale": (0.1, 0.5),
    "contrast": (0.2, 0.9),
    "brightness": (0.2, 5.0),
    "erase": (0.25, 0.75),
    "noise": (0.1, 5.0),
}


def augmentation_of(text: str) -> Mapping[str, float]:
    """How far each variation goes, from words with commas between, each with its amount or without.

    Args:
        text: of `flip` (half of the pictures, left to right), `turn` (by quarters), `shift=0.1` (share of the sides),
            `rotate=15` (degrees), `scale=0.1` (larger and smaller, share), `contrast=0.2` (share), `brightness=0.2` and
            `noise=0.1` (standard deviations of the training pictures), `erase=0.25` (a rectangle becomes their mean,
            share of the sides at most). These are the amounts of a word that comes without one.

    Raises:
        UsageError: a word is unknown or stands twice, or its amount makes no sense.

    Example:
        >>> augmentation_of("flip, shift=0.2"), augmentation_of("")
        ({'flip': 1.0, 'shift': 0.2}, {})
    """
    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, str(text).split(","))):
        word, has_amount, amount = (one.strip() for one in part.partition("="))
        if word not in _WORDS:
            raise UsageError(
                f"augmentation {word!r} is unknown", expected=f"one of {', '.join(_WORDS)}", hint=near(word, _WORDS)
            )
        if word in found:
            raise UsageError(f"augmentation {word!r} is asked for twice", expected="each word once")
        limits = _WORDS[word]
        if limits is None and has_amount:
            raise UsageError(f"augmentation {word!r} has no amount", expected=word, got=part)
        found[word] = 1.0 if limits is None else _amount(word, amount if has_amount else limits[0], limits[1])
    return found


def refuse_augmentation(data: Data, text: str) -> None:
    """Raise when the rows of a data set cannot be varied as is asked.

    Args:
        data: a loaded data set.
        text: as in `augmentation_of`.

    Raises:
        UsageError: they are no pictures, or no squares that could be turned by a quarter.
    """
    words = augmentation_of(text)
    if words and (data.kind != "array" or len(data.feature_shape) != 3):
        raise UsageError(
            f"data {data.name} holds no images that could be varied",
            expected="rows of shape (channels, height, width)",
            got=f"rows of shape {data.feature_shape}",
            hint="leave --augment out",
        )
    if "turn" in words and data.feature_shape[1] != data.feature_shape[2]:
        height, width = data.feature_shape[1:]
        raise UsageError(
            f"images of {height}x{width} cannot be turned by a quarter",
            expected="as high as wide",
            hint=f"--augment rotate, or load them with --image-size {min(height, width)}",
        )


def _amount(word: str, given: str | float, most: float) -> float:
    try:
        amount = float(given)
    except ValueError:
        amount = 0.0
    # Not a number is not between the two either.
    if not 0 < amount <= most:
        raise UsageError(f"augmentation {word}={given} is not allowed", expected=f"a number above 0, at most {most:g}")
    return amount
