"""What is not known yet makes a rule unknown, and never true."""

from __future__ import annotations

import pytest

from lepton_nb.errors import RuleError
from lepton_nb.rules import UNKNOWN, evaluate, holds

VALUES = {"quality": UNKNOWN, "yes": True, "no": False, "number": 3}


@pytest.mark.parametrize(
    "text",
    [
        "quality < 0.9",
        "not quality < 0.9",
        "not (quality >= 0.9)",
        "quality == quality",
        "quality != 0.9",
        "0 < quality < 1",
        "quality + 1 > 0",
        "-quality < 0",
        "quality in [1, 2]",
        "1 in [quality]",
        "no or quality < 0.9",
        "quality < 0.9 or no",
        "yes and quality < 0.9",
        "quality < 0.9 and yes",
        "f(quality) > 1",
        "g(1) > 1",
        "not (no or quality < 0.9)",
        "quality < 0.9 and quality > 0.9",
    ],
)
def test_a_rule_that_hangs_on_it_is_unknown(text):
    functions = {"f": lambda value: 1, "g": lambda value: UNKNOWN}
    assert holds(text, VALUES, functions) is None
    assert evaluate(text, VALUES, functions) is UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes or quality < 0.9", True),
        ("quality < 0.9 or yes", True),
        ("no and quality < 0.9", False),
        ("quality < 0.9 and no", False),
        ("(quality < 0.9 or number > 4) and no", False),
        ("number > 2", True),
    ],
)
def test_a_rule_that_holds_or_fails_without_it_does_so(text, expected):
    assert holds(text, VALUES) is expected


def test_it_hides_no_fault_that_is_looked_at():
    with pytest.raises(RuleError, match="'nmber' is not known"):
        holds("quality < 0.9 or nmber > 2", VALUES)
    with pytest.raises(RuleError, match="is neither true nor false"):
        holds("number + 1", VALUES)


def test_it_counts_as_false_where_python_asks():
    assert not UNKNOWN
    assert repr(UNKNOWN) == "unknown"
