from typing import Annotated, Literal

import click
import pytest

from lepton_nb.commands.declare import Arg, Opt, command_of


def verb(
    thing: Annotated[object, Arg("any thing.")],
    *,
    size: Annotated[int, Opt("How large.")] = 3,
    ratio: Annotated[float | None, Opt("How much.")] = None,
    kind: Annotated[Literal["a", "b"], Opt("Which.")] = "a",
    flag: Annotated[bool, Opt("Whether.")] = False,
    pair: Annotated[tuple[str, ...], Opt("Pairs.", "K=V")] = (),
) -> tuple:
    """Do a thing.

    Returns:
        What it got.
    """
    return thing, size, ratio, kind, flag, pair


def run(*words):
    command = command_of(verb, "verb")
    with command.make_context("verb", list(words)) as context:
        return command.invoke(context), context.meta


def test_defaults_are_the_functions_own() -> None:
    assert run("x")[0] == verb("x") == ("x", 3, None, "a", False, ())


def test_every_kind_of_option_is_converted() -> None:
    words = ["x", "--size", "5", "--ratio", "0.5", "--kind", "b", "--flag", "--pair", "a=1", "--pair", "b=2"]
    assert run(*words)[0] == ("x", 5, 0.5, "b", True, ("a=1", "b=2"))


@pytest.mark.parametrize("words", [(), ("x", "--size", "many"), ("x", "--kind", "c"), ("x", "y"), ("x", "--siz", "2")])
def test_wrong_words_are_a_usage_error(words) -> None:
    with pytest.raises(click.UsageError):
        run(*words)


def test_json_is_noted_and_not_passed() -> None:
    result, meta = run("x", "--json")
    assert result[0] == "x"
    assert meta["lepton.json"] is True


def test_help_names_arguments_options_and_defaults_but_not_the_returns() -> None:
    command = command_of(verb, "verb")
    text = command.get_help(click.Context(command, info_name="verb"))
    for part in ("Do a thing.", "THING: any thing.", "How large.", "[default: 3]", "[a|b]", "K=V", "--json"):
        assert part in text
    assert "Returns" not in text


def test_the_defaults_false_and_zero_are_told_apart_in_help() -> None:
    def zero(*, port: Annotated[int, Opt("Port.")] = 0) -> None:
        """Serve."""

    command = command_of(zero, "zero")
    assert "[default: 0]" in command.get_help(click.Context(command))
