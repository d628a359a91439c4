"""What two data sets of texts have in common."""

from __future__ import annotations

import json
from typing import Any

from ..records import Data
from .preprocessing import preprocessing

__all__ = ["shared_tokens"]

# What training a tokenizer learns; all else of it is how it reads.
_LEARNED = ("vocab", "merges")


def shared_tokens(data: Data, other: Data) -> list[int] | None:
    """For each token id of a data set of texts, the id that another one has for this token.

    Args:
        data: of texts.
        other: of texts or not.

    Returns:
        Ids, -1 for a token that the other one does not know: all of them where it does not read texts in the same way
        (`ing` of `bpe` goes on within a word, that of `wordpiece` begins one). None where all ids are the same.

    Raises:
        FormatError: what is installed trains another tokenizer than when one was loaded.
    """
    if data.texts is None or other.texts is None:
        return [-1] * data.vocabulary
    if data.texts.digest == other.texts.digest:
        return None
    ours, theirs = _stated(data), _stated(other)
    known = theirs["model"]["vocab"] if _way(ours) == _way(theirs) else {}
    ids = [-1] * data.vocabulary
    for token, place in ours["model"]["vocab"].items():
        ids[place] = known.get(token, -1)
    return ids


def _stated(data: Data) -> dict[str, Any]:
    return dict(json.loads(preprocessing(data).content))


def _way(stated: dict[str, Any]) -> dict[str, Any]:
    return {**stated, "model": {name: value for name, value in stated["model"].items() if name not in _LEARNED}}
