"""What texts look like, as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["text_statistics"]

_OTHER = re.compile(r"[^A-Za-z0-9\s]")


def text_statistics(texts: Sequence[str | None]) -> dict[str, NDArray[np.float64]]:
    """Length and token statistics of texts.

    Args:
        texts: N texts; None or an empty one is missing.

    Returns:
        float64 [N] each, NaN where the text is missing: `characters`; `words`, what stands between blanks;
        `word_length`, its mean in characters; `repeated`, the share of words that were there before; and `other`, the
        share of characters that are neither ASCII letters, digits nor blanks.

    Example:
        >>> {name: values.round(2).tolist() for name, values in text_statistics(["the cat, the"]).items()}
        {'characters': [12.0], 'words': [3.0], 'word_length': [3.33], 'repeated': [0.33], 'other': [0.08]}
    """
    names = ("characters", "words", "word_length", "repeated", "other")
    table = np.full((len(texts), len(names)), np.nan)
    for row, text in enumerate(texts):
        words = text.split() if text else []
        if text and words:
            other = len(_OTHER.findall(text))
            length = sum(map(len, words)) / len(words)
            table[row] = (len(text), len(words), length, 1 - len(set(words)) / len(words), other / len(text))
    return {name: table[:, place] for place, name in enumerate(names)}
