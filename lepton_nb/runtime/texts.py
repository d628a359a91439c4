"""One text for one category, whichever way it came: from a file, a DataFrame, or a row over HTTP."""

from __future__ import annotations

__all__ = ["MISSING", "TRUTH", "plain_text"]

# What people write when a value is not known. The empty text is missing in every format of ours.
MISSING = ("", "?", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None")
# The text of a truth value, by its lower case: pandas reads `true` in a file as True, JSON writes True as `true`.
TRUTH = {"false": "False", "true": "True"}
_MISSING = frozenset(MISSING)
_LONGEST = max(map(len, TRUTH))


def plain_text(text: str) -> str:
    """The text that stands for a category.

    It has no blanks around it, is empty where it says that a value is missing, and `True` or `False` for a truth
    value in any case.

    Example:
        >>> [plain_text(text) for text in (" red ", "?", "TRUE", "none")]
        ['red', '', 'True', 'none']
    """
    trimmed = text.strip()
    if trimmed in _MISSING:
        return ""
    return TRUTH.get(trimmed.lower(), trimmed) if len(trimmed) <= _LONGEST else trimmed
