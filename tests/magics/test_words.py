import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.errors import UsageError
from lepton_nb.magics.words import from_yaml, split, take_output_name


def value_of(expression):
    return str(eval(expression, {"a": "x y", "d": {"k": "v", "n": {"m": 1}}}))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train cnn --data $a", ["train", "cnn", "--data", "x y"]),
        ("train {a}", ["train", "x y"]),
        ("{d['k']} \"{d['n']['m']}\"", ["v", "1"]),
        ("p{a}q '{{b}}' $$a", ["px yq", "{b}", "$a"]),
        ("'two words' --x=1", ["two words", "--x=1"]),
        ("", []),
        ("{ {'x': 1}['x'] }", ["1"]),
    ],
)
def test_a_line_becomes_words(line, words) -> None:
    assert split(line, value_of) == words


@given(st.text())
def test_a_value_is_one_word_whatever_it_holds(value) -> None:
    assert split("show {v} end", lambda _: value) == ["show", value, "end"]


def test_an_open_quote_is_named() -> None:
    with pytest.raises(UsageError, match="close the quote"):
        split("train 'cnn", value_of)


def test_the_output_name_is_taken_out() -> None:
    assert take_output_name(["runs", "-o", "r", "--json"]) == (["runs", "--json"], "r")
    assert take_output_name(["runs"]) == (["runs"], None)


@pytest.mark.parametrize(
    "words", [["runs", "-o"], ["runs", "-o", "class"], ["runs", "-o", "1x"], ["runs", "-o", "--json"]]
)
def test_an_output_name_that_no_variable_has_is_refused(words) -> None:
    with pytest.raises(UsageError, match="-o NAME"):
        take_output_name(words)


def test_a_cell_of_yaml_becomes_options() -> None:
    cell = "epochs: 3\nnet:\n  hidden: [8, 4]\n  act: relu\ndetach: true\nquiet: false\nname: '{a}'\nbatch_size: 8\n"
    assert from_yaml(cell, value_of) == [
        *("--epochs", "3", "--net", "hidden=[8, 4]", "--net", "act=relu", "--detach", "--name", "x y"),
        *("--batch-size", "8"),
    ]


def test_words_of_a_cell_stay_words() -> None:
    assert from_yaml("target: no\nignore: [on, 007]\n", value_of) == [
        *("--target", "no", "--ignore", "on", "--ignore", "007"),
    ]


@pytest.mark.parametrize("cell", ["- a\n- b\n", "just text", "a: [1", "a: b: c", "seed: 1\nseed: 2", "name:"])
def test_a_cell_that_is_no_mapping_is_refused_in_one_line(cell) -> None:
    with pytest.raises(UsageError) as caught:
        from_yaml(cell, value_of)
    assert "\n" not in str(caught.value)


def test_an_empty_cell_has_no_options() -> None:
    assert from_yaml("\n", value_of) == []
