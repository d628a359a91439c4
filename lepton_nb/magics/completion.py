"""Tab completion of verbs, options and what they take, and `%lepton VERB?`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import click

    from ..commands import Host

__all__ = ["Matcher", "complete", "question"]

_QUESTION = re.compile(r"^\s*%lepton\s+(?P<words>[^?]*?)\s*\?+\s*$")
_LINE = re.compile(r"^\s*(?:\w+\s*=\s*)?%{1,2}lepton\s(?P<words>.*)$")


def question(lines: list[str]) -> list[str]:
    """`%lepton VERB?` becomes `%lepton VERB --help`."""
    return [f"%lepton {match['words']} --help\n" if (match := _QUESTION.match(line)) else line for line in lines]


def complete(text: str) -> list[str]:
    """What may follow, given the line up to the cursor; variables are those of the host that is at work.

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
    given: list[str] = []
    for word in done:
        child = command.get_command(context, word) if isinstance(command, click.Group) else None
        if child is None:
            given.append(word)
        else:
            command, context = child, click.Context(child, parent=context, info_name=word)
            given = []
    options = [param for param in command.params if isinstance(param, click.Option)]
    flag, equals, value = last.partition("=")
    if equals and (named := _option(options, flag)) is not None:
        return [f"{flag}={word}" for word in _values(named, context, value)]
    awaited = _awaited(command.params, given)
    if isinstance(awaited, click.Option):
        return _values(awaited, context, last)
    values = [] if awaited is None or last.startswith("-") else _values(awaited, context, last)
    # What stands there already is not meant a second time.
    words = [word for word in values if word not in given]
    verbs = command.list_commands(context) if isinstance(command, click.Group) else []
    words += [word for word in verbs if word.startswith(last)]
    flags = [*(name for option in options for name in option.opts), "--help"]
    return words + [name for name in flags if name.startswith(last)]


def _option(options: Sequence[click.Option], flag: str) -> click.Option | None:
    """The option of that name which takes a value."""
    return next((option for option in options if flag in option.opts and not option.is_flag), None)


def _awaited(params: Sequence[click.Parameter], given: Sequence[str]) -> click.Parameter | None:
    """What the next word is for: an option's value, else an argument; None when there is no place for one."""
    import click

    options = [param for param in params if isinstance(param, click.Option)]
    places = [param for param in params if isinstance(param, click.Argument)]
    waiting: click.Option | None = None
    taken, is_value = 0, False
    for word in given:
        if is_value:
            waiting, is_value = None, False
        elif word.startswith("-"):
            waiting = _option(options, word)
            # `-o NAME` is the magic's own.
            is_value = waiting is not None or word == "-o"
        else:
            taken += 1
    if is_value:
        return waiting
    if taken < len(places):
        return places[taken]
    return places[-1] if places and places[-1].nargs == -1 else None


def _values(param: click.Parameter, context: click.Context, typed: str) -> list[str]:
    """What may be the value of a parameter; where that is a file, IPython knows better."""
    return [str(item.value) for item in param.shell_complete(context, typed) if item.type == "plain"]


class Matcher:
    """A completer of IPython's second interface.

    Args:
        host: makes the host whose variables are completed.
    """

    matcher_identifier: ClassVar[str] = "lepton_nb"
    matcher_api_version: ClassVar[int] = 2

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host
        # IPython asks for it, as functions have one.
        self.__qualname__ = self.matcher_identifier

    def __call__(self, context: Any) -> Any:
        """The completions at the cursor."""
        from IPython.core.completer import SimpleCompletion

        line = context.line_with_cursor[: context.cursor_position]
        words: list[str] = []
        if _LINE.match(line):
            from ..commands import hosted

            with hosted(self._host()):
                words = complete(line)
        return {
            "completions": [SimpleCompletion(text=word, type="lepton") for word in words],
            "matched_fragment": re.split(r"\s", line)[-1],
            "suppress": bool(words),
            "ordered": True,
        }
