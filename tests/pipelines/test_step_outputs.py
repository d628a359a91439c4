"""Outputs: typed, strict, and recorded only inside a step."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb import pipelines
from lepton_nb.errors import FormatError, UsageError
from lepton_nb.pipelines.outputs import read_outputs
from lepton_nb.pipelines.planning import Reference, find, resolve

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda items: st.lists(items) | st.dictionaries(st.text(), items),
    max_leaves=8,
)


def test_outside_of_a_step_an_output_is_shown_and_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.delenv(pipelines.OUTPUT_FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    said = pipelines.record_output("accuracy", 0.9)
    assert not pipelines.in_step()
    assert not said.recorded
    assert "not recorded" in said.as_text()
    assert not list(tmp_path.iterdir())


def test_inside_a_step_the_last_value_of_a_name_counts(monkeypatch, tmp_path):
    monkeypatch.setenv(pipelines.OUTPUT_FILE, str(tmp_path / "out.jsonl"))
    for value in (1, [1, 2], "x\ny"):
        assert pipelines.record_output("a", value).recorded
    pipelines.record_output("path", Path("/data"))
    pipelines.record_output("score", np.float32(0.5))
    assert read_outputs(tmp_path / "out.jsonl") == {"a": "x\ny", "path": "/data", "score": 0.5}
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["format"] == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}, {"a": {3}}, b"x", ["x\ud800"]])
def test_a_value_that_json_cannot_hold_is_refused_by_name(value, monkeypatch, tmp_path):
    monkeypatch.setenv(pipelines.OUTPUT_FILE, str(tmp_path / "out.jsonl"))
    with pytest.raises(UsageError, match="output 'a' cannot be recorded"):
        pipelines.record_output("a", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "a b", "a.b", "1a", "../x"])
def test_a_name_that_could_not_be_referred_to_is_refused(name):
    with pytest.raises(UsageError, match="a Python name"):
        pipelines.record_output(name, 1)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("run=1234e5678", ("run", "1234e5678")),
        ("run=0012", ("run", "0012")),
        ("lr=1e-3", ("lr", 0.001)),
        ("ids=[1, 1e-3, no]", ("ids", [1, 0.001, "no"])),
        ("n='3'", ("n", "3")),
        ("note=a: b #c", ("note", "a: b #c")),
        ("eq=a=b", ("eq", "a=b")),
        ("none=", ("none", "")),
        ("open=[1", ("open", "[1")),
    ],
)
def test_an_assignment_on_the_command_line_is_typed(text, pair):
    assert pipelines.parse_assignment(text) == pair


@pytest.mark.parametrize("text", ["plain", "=1", "a b=1"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(UsageError, match="NAME=VALUE"):
        pipelines.parse_assignment(text)


def test_a_broken_line_in_an_output_file_is_named(tmp_path):
    (tmp_path / "out.jsonl").write_text('{"format": 1, "name": "a", "value": 1}\n{"na')
    with pytest.raises(FormatError, match="line 2"):
        read_outputs(tmp_path / "out.jsonl")


def test_an_output_of_a_newer_format_is_refused_and_one_of_an_older_is_read(tmp_path):
    (tmp_path / "out.jsonl").write_text('{"format": 0, "name": "a", "value": 1}\n')
    assert read_outputs(tmp_path / "out.jsonl") == {"a": 1}
    (tmp_path / "out.jsonl").write_text('{"format": 2, "name": "a", "value": 1}\n')
    with pytest.raises(FormatError, match="line 1 has format 2; expected format 1 or older; next: run the step"):
        read_outputs(tmp_path / "out.jsonl")


@given(JSON)
def test_a_reference_that_is_the_whole_value_passes_any_value_unchanged(value):
    assert resolve("{a.b}", {Reference("a", "b"): value}) == value


@given(st.text())
def test_text_with_doubled_braces_comes_out_as_it_was(text):
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert list(find(doubled)) == []
    assert resolve(doubled, {}) == text
