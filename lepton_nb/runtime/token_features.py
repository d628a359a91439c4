"""What texts look like by their tokens, as few numbers per text that drift is measured on.

Tokens are looked at, not characters: of a training only its token ids are known, and the tokenizer that is shipped
makes the same ones of what is served.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["TOKEN_BINS", "token_features"]

TOKEN_BINS = 16
# Knuth's multiplicative hash: neighbours in a vocabulary, which are about as frequent, fall into different bins.
_FACTOR, _SHIFT = 2654435761, 28


def token_features(
    name: str, rows: Sequence[Sequence[int]], unknown: int | None
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Features of texts.

    Args:
        name: of the input.
        rows: the token ids of N texts, without padding.
        unknown: the id of what is not in the vocabulary; None where there is no such id.

    Returns:
        float64 [N] each, NaN of a text without tokens: `NAME.tokens`, how many there are; `NAME.unknown`, the share
        of unknown ones, where there is such a token; `NAME.words0` to `NAME.words15`, the share of the tokens that
        fall into each of 16 bins by a hash.

    Example:
        >>> found = token_features("text", [[1, 5, 1], []], unknown=1)
        >>> found["text.tokens"].tolist(), found["text.unknown"].round(2).tolist()
        ([3.0, nan], [0.67, nan])
    """
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.fromiter((one for row in rows for one in row), np.int64, int(sizes.sum()))
    places = np.repeat(np.arange(len(rows)), sizes)
    bins = ((ids.astype(np.uint64) * np.uint64(_FACTOR)) & np.uint64(0xFFFFFFFF)) >> np.uint64(_SHIFT)
    flat = np.bincount(places * TOKEN_BINS + bins.astype(np.int64), minlength=len(rows) * TOKEN_BINS)
    total = np.where(sizes, sizes, np.nan)
    shares = flat.reshape(len(rows), TOKEN_BINS) / total[:, None]
    features = {f"{name}.tokens": total}
    if unknown is not None:
        features[f"{name}.unknown"] = np.bincount(places, ids == unknown, len(rows)) / total
    return features | {f"{name}.words{place}": shares[:, place] for place in range(TOKEN_BINS)}
