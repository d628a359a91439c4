"""Tab completion of verbs and options, and `%lepton VERB?`."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["complete", "matcher", "question"]

_QUESTION = re.compile(r"^\s*%lepton\s+(?P<words>[^?]*?)\s*\?+\s*$")
_LINE = re.compile(r"^\s*(?:\w+\s*=\s*)?%{1,2}lepton\s(?P<words>.*)$")


def question(lines: list[str]) -> list[str]:
    """`%lepton VERB?` becomes `%lepton VERB --help`."""
    return [f"%lepton {match['words']} --help\n" if (match := _QUESTION.match(line)) else line for line in lines]


def complete(text: str) -> list[str]:
    """What may follow, given the line up to the cursor.

    Args:
        text: the line; a line that is no `%lepton` line has no completions.

    Returns:
        Words that could stand where the last word of `text` stands.
    """
    found = _LINE.match(text)
    if not found:
        return []
    import click

    from ..commands import root

    words = found["words"].split(" ")
    done, last = [word for word in words[:-1] if word], words[-1]
    command: click.Command = root()
    context = click.Context(command, info_name="lepton")
    previous = ""
    for word in done:
        child = command.get_command(context, word) if isinstance(command, click.Group) else None
        if child is not None:
            command, context = child, click.Context(child, parent=context, info_name=word)
        previous = word
    options = [param for param in command.params if isinstance(param, click.Option)]
    chosen = next((option for option in options if previous in option.opts and not option.is_flag), None)
    if chosen is not None:
        choices = list(chosen.type.choices) if isinstance(chosen.type, click.Choice) else []
        return [choice for choice in choices if choice.startswith(last)]
    candidates = command.list_commands(context) if isinstance(command, click.Group) else []
    candidates = candidates + [opt for option in options for opt in option.opts] + ["--help"]
    return [word for word in candidates if word.startswith(last) and (last or not word.startswith("-"))] or (
        [word for word in candidates if not last]
    )


def matcher(context: Any) -> Any:
    """A completer of IPython's second interface."""
    from IPython.core.completer import SimpleCompletion

    line = context.line_with_cursor[: context.cursor_position]
    words = complete(line)
    last = re.split(r"\s", line)[-1]
    return {
        "completions": [SimpleCompletion(text=word, type="lepton") for word in words],
        "matched_fragment": last,
        "suppress": bool(words),
        "ordered": True,
    }


matcher.matcher_identifier = "lepton_nb"  # type: ignore[attr-defined]  # the interface asks for an attribute
matcher.matcher_api_version = 2  # type: ignore[attr-defined]
