"""The one small language: what it means, and that nothing else gets through it."""

import contextlib
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_nb.errors import RuleError
from lepton_nb.rules import evaluate, names

VALUES = {
    "accuracy": 0.9,
    "champion": 0.895,
    "n": 3,
    "flag": True,
    "none": None,
    "city": "oslo",
    "tags": ["a", 1, None],
    "train.accuracy": 0.8,
    "train-cnn.loss": 0.2,
    "nan": math.nan,
    "huge": 10**400,
    "table": {"a": 1},
}
FUNCTIONS = {"psi": lambda name: 0.3, "fails": lambda: {}["x"], "most": max}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("accuracy >= champion - 0.01", True),
        ("psi(city) > 0.2", True),
        ("most(1, 2, n) == 3", True),
        ("0 < n <= 3", True),
        ("0 < n < 3", False),
        ("1 + 2 * 3 % 4 / 2 - -1", 3.0),
        ("not flag or n == 3 and city != 'rome'", True),
        ('city in ["oslo", "rome"]', True),
        ("'os' in city", True),
        ("n not in tags", True),
        ("null in tags and none == null", True),
        ("train.accuracy", 0.8),
        ("{train-cnn.loss} < {train.accuracy}", True),
        ("{ n }", 3),
        ("'it \"is\" {n}'", 'it "is" {n}'),
        ("[1, [2.5e-1, true], []]", [1, [0.25, True], []]),
        ("flag and none != null and none > 1", False),
        ("nan < 1 or nan >= 1 or nan == nan", False),
        ("(((n)))\n == 3", True),
        ("table != null", True),
        ("huge * huge > huge", True),
    ],
)
def test_a_rule_means_what_it_says(text, value):
    assert evaluate(text, VALUES, FUNCTIONS) == value
    assert type(evaluate(text, VALUES, FUNCTIONS)) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "column 1: it is no rule"),
        ("accuracy >", "column 11: it is no rule"),
        ("acuracy > 1", "column 1: 'acuracy' is not known; expected accuracy, champion,"),
        ("1 < acuracy", "column 5: 'acuracy' is not known"),
        ("n > 1 and acuracy > 1", "did you mean 'accuracy'?"),
        ("pis(city)", "'pis' is no function; expected psi, fails, most; next: did you mean 'psi'?"),
        ("fails()", "fails failed with KeyError: 'x'"),
        ("psi()", "psi failed with TypeError"),
        ("n / (n - 3)", "column 6: a division by zero"),
        ("n % 0", "a division by zero"),
        ("huge / 0.5", "cannot be computed"),
        ("huge" + " * huge" * 9, "a number of more than 10000 bits"),
        ("city > 1", "text and a number have no order; expected two numbers, or two texts"),
        ("none > 1", "null and a number have no order"),
        ("flag > 0", "true and a number have no order"),
        ("tags < tags", "a list and a list have no order"),
        ("n and flag", "column 1: a number stands where true or false is needed"),
        ("not city", "column 5: text stands where true or false is needed"),
        ("city * 1000000000", "text stands where a number is needed"),
        ("-flag", "true stands where a number is needed"),
        ("1 in n", "a number in a number cannot be asked"),
        ("1 in city", "a number in text cannot be asked"),
        ("n = 3", "'=' stands where it means nothing; expected names, numbers"),
        ("n = 3", "did you mean ==?"),
        ("2 ** 3", "it is no rule"),
        ("7 // 2", "it is no rule"),
        ("n; n", "';' stands"),
        ("city.upper()", "'city.upper' is no function"),
        ("(n).real", "'.' stands"),
        ("tags[0]", "a subscript is not part of a rule"),
        ("(1, 2)", "a tuple is not part of a rule"),
        ("psi(*tags)", "a starred is not part of a rule"),
        ("psi(a=1)", "'=' stands"),
        ("psi(n)(n)", "only a name can be called"),
        ("1(n)", "only a name can be called"),
        ("lambda: 1", "':' stands"),
        ("n if flag else n", "it is no rule"),
        ("f'{n}'", "it is no rule"),
        ("'open", "did you mean a closing quote?"),
        (r"'a\nb' == 1 \ 2", r"'\\' stands"),
        ("1_000", "'1' stands"),
        ("1a", "'1' stands"),
        ("n.1", "'n' stands"),
        ("ñ > 1", "'ñ' stands"),
        ("\ud800", "stands where it means nothing"),
        ("n\x00", "stands where it means nothing"),
        ("{a b}", "did you mean {step.output}?"),
        ("{}", "did you mean {step.output}?"),
        ("(" * 41 + "1" + ")" * 41, "nested more than 40 deep"),
        ("not " * 60 + "flag", "nested more than 40 deep"),
        ("-" * 900 + "1", "nested more than 40 deep"),
        ("1" + "+1" * 400, "nested more than 40 deep"),
        ("1" * 1001, "1001 characters is too long"),
        ("n is n", "it is no rule"),
    ],
)
def test_what_is_no_rule_is_refused_in_one_line_that_names_the_place(text, says):
    with pytest.raises(RuleError) as caught:
        evaluate(text, VALUES, FUNCTIONS)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_names_are_told_before_any_value_is_known():
    assert names("b.c > a and f(a, {x-y.z}) in [d]", ["f"]) == ("b.c", "a", "x-y.z", "d")
    assert names("1 < 2") == ()
    with pytest.raises(RuleError, match="'f' is no function; expected none here"):
        names("f(1)")


def test_what_is_not_needed_is_not_looked_up():
    assert evaluate("flag or unknown > 1", VALUES) is True
    assert evaluate("1 > 2 > unknown", VALUES) is False


TOKENS = st.sampled_from(
    [
        *("and", "or", "not", "in", "true", "false", "null", "n", "city", "tags", "none", "flag", "{train-cnn.loss}"),
        *("1", "0", "2.5", "1e300", "'x'", '""', "(", ")", "[", "]", ",", "<", "<=", "==", "!=", "+", "-", "*", "/"),
        *("%", "psi", "fails", "huge", "nan", "table", ".", "{", "=", "lambda", "if", "\\", "\n", "**", "unknown"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.lists(TOKENS, max_size=12).map(" ".join) | st.lists(TOKENS, max_size=9).map("".join))
def test_any_text_is_evaluated_or_refused_by_the_one_error(text):
    with contextlib.suppress(RuleError):
        evaluate(text, VALUES, FUNCTIONS)
