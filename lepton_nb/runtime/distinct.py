"""Which texts of a column differ, found without making a text of each row."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["distinct"]

_WORD = 8
_MOST_WORDS = 8
# A column with more different values than this among its first rows is sorted.
_SAMPLE, _FEW = 4096, 256
# Odd, and with bits everywhere (the golden ratio's), so that the products of words differ where the words do.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], dtype=np.uint64)

_Numbers = np.ndarray[Any, np.dtype[np.int64]]


def distinct(data: bytes, ends: _Numbers, present: np.ndarray[Any, Any] | None) -> tuple[_Numbers, _Numbers]:
    """The different values of an Arrow column of text.

    Args:
        data: the bytes of all values.
        ends: int64 [N + 1], where each value begins and the next one does; ascending and within `data`.
        present: bool [N], which values are there; None when all are.

    Returns:
        int64 [D], a row of each different value, -1 for the missing one; and int64 [N], which of them each row has.

    Example:
        >>> distinct(b"redbluered", np.array([0, 3, 7, 10]), None)[1].tolist() in ([0, 1, 0], [1, 0, 1])
        True
    """
    begins, sizes = ends[:-1], np.diff(ends)
    if present is not None:
        sizes = np.where(present, sizes, -1)
    words = -(-int(sizes.max(initial=0)) // _WORD)
    found = _by_words(data, begins, sizes, words) if words <= _MOST_WORDS else None
    first, places = _by_bytes(data, begins, sizes) if found is None else found
    return np.where(sizes[first] < 0, -1, first), places


def _by_words(data: bytes, begins: _Numbers, sizes: _Numbers, words: int) -> tuple[_Numbers, _Numbers] | None:
    """Eight bytes of all values at a time; None in the rare case that two values have one key."""
    padded = data + bytes(_WORD * (words + 1))
    # A word begins at every byte.
    every: np.ndarray[Any, Any] = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
    parts = []
    with np.errstate(over="ignore"):
        key = sizes.astype(np.uint64) * _FACTOR
        for place in range(words):
            rest = np.clip(sizes - _WORD * place, 0, _WORD)
            # Behind its end a value has no bytes of its own, and none is read.
            at = np.where(rest > 0, begins + _WORD * place, 0)
            parts.append(every[at] & _MASKS[rest])
            key = (key ^ parts[-1]) * _FACTOR
            key ^= key >> np.uint64(29)
    first, places = _by_key(key)
    alike = all((part == part[first][places]).all() for part in (*parts, sizes))
    return (first, places) if alike else None


def _by_key(key: np.ndarray[Any, Any]) -> tuple[_Numbers, _Numbers]:
    """The first row of each different key, and which of them each row has."""
    known = np.unique(key[:_SAMPLE])
    if len(known) > _FEW:
        return np.unique(key, return_index=True, return_inverse=True)[1:]
    # Few keys are looked up far sooner than many rows are sorted.
    places = _looked_up(known, key)
    new = known[places] != key
    if new.any():
        known = np.union1d(known, key[new])
        places = _looked_up(known, key)
    first = np.empty(len(known), np.int64)
    # Of several rows with one key the last assignment stays.
    first[places[::-1]] = np.arange(len(key))[::-1]
    return first, places


def _looked_up(known: np.ndarray[Any, Any], key: np.ndarray[Any, Any]) -> _Numbers:
    return np.minimum(np.searchsorted(known, key), len(known) - 1)


def _by_bytes(data: bytes, begins: _Numbers, sizes: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Value by value."""
    known: dict[bytes | None, int] = {}
    first: list[int] = []
    places = np.empty(len(sizes), np.int64)
    for row, (begin, size) in enumerate(zip(begins.tolist(), sizes.tolist(), strict=True)):
        value = data[begin : begin + size] if size >= 0 else None
        place = known.setdefault(value, len(first))
        if place == len(first):
            first.append(row)
        places[row] = place
    return np.array(first, np.int64), places
