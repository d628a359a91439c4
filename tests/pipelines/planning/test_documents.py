"""Pipeline files are read strictly, and scalars mean what they look like."""

import pytest

from lepton_nb.errors import NotFoundError, PipelineError
from lepton_nb.pipelines import parse_assignment
from lepton_nb.pipelines.planning import read_yaml, typed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-4", -4),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("2.", 2.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
    ],
)
def test_a_plain_scalar_has_the_type_it_looks_like(text, value):
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "007.5",
        "-007",
        "no",
        "on",
        "12:30",
        "2026-01-31",
        "1e999",
        "1234e5678",
        "12345678901234567890123e45",
        "1_000",
        ".",
        "e5",
    ],
)
def test_what_only_resembles_a_number_stays_text(text):
    assert typed(text) == text


def test_a_quoted_number_is_text_and_a_merge_key_still_merges(tmp_path):
    (tmp_path / "a.yml").write_text("base: &b {x: '1'}\nother: {<<: *b, y: 1}\n")
    assert read_yaml(tmp_path / "a.yml") == {"base": {"x": "1"}, "other": {"x": "1", "y": 1}}


def test_a_repeated_key_is_an_error_that_names_both_lines(tmp_path):
    (tmp_path / "a.yml").write_text("steps:\n  train: 1\n  test: 2\n  train: 3\n")
    with pytest.raises(PipelineError, match="'train' stands twice, in lines 2 and 4"):
        read_yaml(tmp_path / "a.yml")


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "a: !!python/object:os.system x", "\x00", "{[a]: b}"])
def test_what_is_no_plain_yaml_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(PipelineError) as caught:
        read_yaml(tmp_path / "a.yml")
    assert "\n" not in str(caught.value)
    assert "a.yml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"gone\.yml"):
        read_yaml(tmp_path / "gone.yml")


MANY = "a: &a [1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: &a {s: {parameters: *a}}", "an alias holds itself"),
        ("a: &a [*a]", "an alias holds itself"),
        ("[" * 3000, "nested more than 50 deep"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 deep"),
        (MANY, "more than 100000 values"),
        ('a: "x\\uD800"', "half of a surrogate pair"),
    ],
)
def test_what_has_no_end_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(PipelineError, match=message) as caught:
        read_yaml(tmp_path / "a.yml")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "a.yml") in str(caught.value)


def test_a_number_of_thousands_of_digits_and_brackets_without_end_are_text():
    for value in ("1" * 5000, "-" + "9" * 641, "[" * 3000, "[&a [*a]]"):
        assert parse_assignment(f"a={value}") == ("a", value)
    assert parse_assignment("a=" + "1" * 600) == ("a", int("1" * 600))
