"""The magic in a real IPython shell."""

import json

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lepton_nb.magics.completion import complete, question


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "lepton_nb")
    return shell


def ran(shell, code):
    with capture_output() as captured:
        result = shell.run_cell(code)
    return result, captured.stdout + captured.stderr


def test_a_result_is_the_value_of_the_cell(shell) -> None:
    result, _ = ran(shell, "out = %lepton output a=1 b=[2,3]\nout.values")
    assert result.result == (("a", 1), ("b", [2, 3]))


def test_a_result_is_shown_as_an_escaped_table(shell) -> None:
    value = ran(shell, "%lepton output 'a=<b>bold</b>'")[0].result
    html = value._repr_mimebundle_()["text/html"]
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>bold" not in html


def test_the_output_option_binds_the_result(shell) -> None:
    ran(shell, "%lepton output a=1 -o kept")
    assert shell.user_ns["kept"].values == (("a", 1),)


def test_json_is_one_object_on_standard_output(shell) -> None:
    result, text = ran(shell, "%lepton output a=1 --json")
    assert json.loads(text)["values"] == [["a", 1]]
    assert result.result is None


def test_variables_and_expressions_are_expanded(shell) -> None:
    shell.user_ns["x"] = {"k": "v w"}
    assert ran(shell, "y = 5\nout = %lepton output a={x['k']} b=$y\nout.values")[0].result == (("a", "v w"), ("b", 5))


@pytest.mark.parametrize("line", ["%lepton output a=$nothing", "%lepton output a={nothing + 1}"])
def test_an_undefined_name_is_an_error_and_not_left_as_it_is(shell, line) -> None:
    result, text = ran(shell, line)
    assert type(result.error_in_exec).__name__ == "NotFoundError"
    assert "'nothing' is not defined in this notebook" in text


def test_an_error_is_one_line_with_its_class(shell) -> None:
    result, text = ran(shell, "%lepton trian")
    assert type(result.error_in_exec).__name__ == "UsageError"
    assert text.strip().startswith("UsageError: ")
    assert "'train'" in text
    assert len(text.strip().splitlines()) == 1


def test_an_expression_that_fails_says_which(shell) -> None:
    assert "{1/0} cannot be evaluated; got ZeroDivisionError" in ran(shell, "%lepton output a={1/0}")[1]


def test_options_can_be_yaml_in_the_cell(shell) -> None:
    result, text = ran(shell, "%%lepton train cnn\ndata: nothing\nepoch: 3\n")
    assert type(result.error_in_exec).__name__ == "UsageError"
    assert "'--epochs'" in text


def test_a_question_mark_shows_the_help_of_a_verb(shell) -> None:
    assert question(["%lepton train?\n"]) == ["%lepton train --help\n"]
    assert "Usage: lepton train" in ran(shell, "%lepton train?")[1]


def test_the_magics_own_help_lists_the_verbs(shell) -> None:
    text = shell.object_inspect("%lepton")["docstring"]
    assert "train" in text
    assert "monitor" in text


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("%lepton tr", "train"),
        ("%lepton data l", "load"),
        ("r = %lepton train cnn --ep", "--epochs"),
        ("%%lepton train cnn --", "--data"),
        ("%lepton data load x --split ", "time"),
        ("%lepton ", "doctor"),
    ],
)
def test_verbs_options_and_choices_are_completed(line, word) -> None:
    assert word in complete(line)


def test_other_lines_are_left_to_other_completers() -> None:
    assert complete("import lep") == []


def test_the_shell_completes_a_verb(shell) -> None:
    with provisionalcompleter():
        assert "train" in [c.text for c in shell.Completer.completions("%lepton tr", 10)]


def test_loading_twice_registers_once(shell) -> None:
    before = len(shell.Completer.custom_matchers), len(shell.input_transformers_cleanup)
    shell.run_line_magic("reload_ext", "lepton_nb")
    assert (len(shell.Completer.custom_matchers), len(shell.input_transformers_cleanup)) == before
