"""From the text of a magic to the words of a verb."""

from __future__ import annotations

import keyword
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..errors import UsageError

__all__ = ["from_yaml", "split", "take_output_name"]

# `{{` and `$$` stand for themselves; an expression may hold one level of braces.
_MARK = re.compile(r"\{\{|\}\}|\$\$|\{(?P<expr>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|\$(?P<name>[A-Za-z_]\w*)")
_HIDE = "\ue000{}\ue001"
_HIDDEN = re.compile("\ue000(\\d+)\ue001")


def split(line: str, value_of: Callable[[str], str]) -> list[str]:
    """The words of a line, with `{expression}` and `$name` replaced.

    Args:
        line: what follows `%lepton`.
        value_of: gives the text of an expression, or raises.

    Returns:
        Words as a shell would split them; a replaced value is never split.

    Raises:
        UsageError: a quote is not closed, or an expression fails.

    Example:
        >>> split("train cnn --name '{a} b' --data $a", {"a": "x y"}.__getitem__)
        ['train', 'cnn', '--name', 'x y b', '--data', 'x y']
    """
    values: list[str] = []

    def hide(match: re.Match[str]) -> str:
        values.append(_value(match, value_of))
        return _HIDE.format(len(values) - 1)

    try:
        words = shlex.split(_MARK.sub(hide, line))
    except ValueError as cause:
        raise UsageError(f"the line cannot be read: {cause}", hint="close the quote") from cause
    return [_HIDDEN.sub(lambda match: values[int(match[1])], word) for word in words]


def take_output_name(words: list[str]) -> tuple[list[str], str | None]:
    """The words without `-o NAME`, and the name.

    Raises:
        UsageError: `-o` has no name, or one that no variable can have.
    """
    if "-o" not in words:
        return words, None
    at = words.index("-o")
    name = words[at + 1] if at + 1 < len(words) else ""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError("-o names no variable", expected="-o NAME", got=repr(name))
    return words[:at] + words[at + 2 :], name


def from_yaml(cell: str, value_of: Callable[[str], str], arguments: Collection[str] = ()) -> list[str]:
    """Options written as YAML in a cell, as words.

    Args:
        cell: a mapping of option names to values: a list repeats the option, a mapping gives `name=value`
            pairs, true sets a flag.
        value_of: as in `split`.
        arguments: names that stand for words without a flag, such as `network`.

    Raises:
        UsageError: the cell is not a mapping.

    Example:
        >>> from_yaml("{epochs: 3, net: {hidden: [8, 8]}}", str)
        ['--epochs', '3', '--net', 'hidden=[8, 8]']
        >>> from_yaml("{epochs: 3, network: cnn}", str, ["network"])
        ['cnn', '--epochs', '3']
    """
    import yaml

    from ..pipelines import parse_yaml

    try:
        options = parse_yaml(cell) or {}
    except yaml.YAMLError as cause:
        raise UsageError("the cell is not YAML", got=str(cause), hint="write one 'option: value' per line") from cause
    if not isinstance(options, dict):
        raise UsageError("the cell is not a mapping", expected="'option: value' per line", got=repr(options)[:60])
    words: list[str] = []
    for name, value in options.items():
        flag = "--" + str(name).replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is None:
            raise UsageError(f"option {name!r} has no value", expected=f"{name}: VALUE")
        elif value is False:
            continue
        elif str(name) in arguments:
            words = [*(_expanded(item, value_of) for item in _items(value)), *words]
        else:
            for item in _items(value):
                words += [flag, _expanded(item, value_of)]
    return words


def _items(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}={item}" for name, item in value.items()]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _expanded(text: str, value_of: Callable[[str], str]) -> str:
    return _MARK.sub(lambda match: _value(match, value_of), text)


def _value(match: re.Match[str], value_of: Callable[[str], str]) -> str:
    expression = match["expr"] if match["expr"] is not None else match["name"]
    return match[0][0] if expression is None else value_of(expression.strip())
