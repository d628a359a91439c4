"""The text of a search space becomes dimensions, or one error that names the place.

    space      =  dimension {" " dimension}
    dimension  =  name "=" ("log" | "uniform") "(" number "," number ")"
               |  name "=" "int" "(" whole "," whole ["," whole] ")"
               |  name "=" "[" value {"," value} "]"
    name       =  identifier  |  "net." identifier
    value      =  number | true | false | null | word | text | "[" [value {"," value}] "]"
    text       =  characters between two ' or two ", without that quote; there are no escapes

A word is a text without quotes, such as `one_cycle`.
"""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn

from ...errors import UsageError, near
from .dimensions import Dimension, Space

__all__ = ["FORMS", "parse"]

FORMS = "NAME=log(a,b), NAME=uniform(a,b), NAME=int(a,b) or NAME=[a, b, c], with spaces between them"
# More than a person writes, and less than recursion can be hurt with.
_CHARACTERS, _DEPTH, _MOST = 4000, 8, 50
_RANGES = {"log": (2, 2), "uniform": (2, 2), "int": (2, 3)}
_NAME = re.compile(r"(?:net\.)?[A-Za-z_]\w*(?![\w.])", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?(?![\w.])", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][\w.\-]*", re.ASCII)
_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "none": None}


def parse(text: str) -> Space:
    """Read a search space.

    Args:
        text: as the module tells.

    Raises:
        UsageError: the text is none; the message names the column and what was expected there.

    Example:
        >>> for one in parse("lr=log(1e-4,1e-1) hidden=[32, [64, 64]]").dimensions:
        ...     print(one.text())
        lr=log(0.0001, 0.1)
        hidden=[32, [64, 64]]
    """
    if len(text) > _CHARACTERS:
        raise UsageError(f"a space of {len(text)} characters is too long", expected=f"at most {_CHARACTERS}")
    reader = _Reader(text)
    found: dict[str, Dimension] = {}
    while reader.more():
        at = reader.at
        one = reader.dimension()
        if one.name in found:
            reader.refuse(at, f"{one.name!r} is searched twice", "each name once")
        found[one.name] = one
    if not found:
        raise UsageError("the search space is empty", expected=FORMS, hint="--space 'lr=log(1e-4,1e-1)'")
    if len(found) > _MOST:
        raise UsageError(f"a space of {len(found)} dimensions is too large", expected=f"at most {_MOST}")
    return Space(tuple(found.values()))


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def refuse(self, at: int, what: str, expected: str, hint: str = "") -> NoReturn:
        """The error about one place."""
        shown = self.text if len(self.text) <= 120 else f"{self.text[:117]}..."
        raise UsageError(f"space {shown!r}, column {at + 1}: {what}", expected=expected, hint=hint)

    def more(self) -> bool:
        """Whether something follows the space before it."""
        self._skip()
        return self.at < len(self.text)

    def dimension(self) -> Dimension:
        """One dimension."""
        name = self._take(_NAME)
        if name is None:
            self.refuse(self.at, f"{self._here()} is no name", FORMS)
        self._skip()
        if not self._eat("="):
            self.refuse(self.at, f"{self._here()} follows {name!r}", "=", f"{name}=log(1e-4,1e-1), for one")
        self._skip()
        begin = self.at
        one = self._choices(name, begin) if self._eat("[") else self._range(name)
        if self.at < len(self.text) and not self.text[self.at].isspace():
            self.refuse(self.at, f"{self._here()} follows {name!r}", "a space, or the end")
        return one

    def _range(self, name: str) -> Dimension:
        begin = self.at
        kind = self._take(_WORD)
        if kind is None:
            fixed = self._take(_NUMBER) or self._take(_TEXT)
            hint = f"a value that is not searched is an option: --net {name}={fixed}" if fixed else ""
            self.refuse(begin, f"{fixed or self._here()} is nothing to search", FORMS, hint)
        if kind not in _RANGES:
            self.refuse(begin, f"{kind!r} is no kind of range", "log, uniform, int or [...]", near(kind, _RANGES))
        self._skip()
        if not self._eat("("):
            self.refuse(self.at, f"{self._here()} follows {kind}", f"{kind}(low, high)")
        values, places = self._numbers(kind)
        least, most = _RANGES[kind]
        form = f"{kind}(low, high[, step])" if most > least else f"{kind}(low, high)"
        if not least <= len(values) <= most:
            self.refuse(begin, f"{kind} has {len(values)} numbers", form)
        if kind == "int" and (odd := [i for i, value in enumerate(values) if value != int(value)]):
            self.refuse(places[odd[0]], f"{values[odd[0]]:g} is no whole number", "whole numbers in int(...)")
        if not values[0] < values[1]:
            self.refuse(places[1], f"{values[1]:g} is not above {values[0]:g}", f"{form} with low < high")
        if kind == "log" and values[0] <= 0:
            self.refuse(places[0], f"{values[0]:g} has no logarithm", "log(low, high) above 0")
        step = values[2] if len(values) > 2 else 1
        if kind == "int" and not 1 <= step <= values[1] - values[0]:
            self.refuse(places[2], f"a step of {step:g} does not fit", f"1 to {values[1] - values[0]:g}")
        return Dimension(name, kind, values[0], values[1], step if kind == "int" else 0)  # type: ignore[arg-type]

    def _numbers(self, kind: str) -> tuple[list[float], list[int]]:
        """The numbers up to the closing bracket, and where each begins."""
        values: list[float] = []
        places: list[int] = []
        while True:
            self._skip()
            places.append(self.at)
            token = self._take(_NUMBER)
            if token is None:
                self.refuse(self.at, f"{self._here()} is no number", f"numbers in {kind}(...)")
            values.append(float(token))
            if not math.isfinite(values[-1]):
                self.refuse(places[-1], f"{token} is too large", f"finite numbers in {kind}(...)")
            self._skip()
            if self._eat(")"):
                return values, places
            if not self._eat(","):
                self.refuse(self.at, f"{self._here()} follows {token}", ", or )")

    def _choices(self, name: str, begin: int) -> Dimension:
        values = self._list(begin, 1)
        if not values:
            self.refuse(begin, f"{name!r} has no choices", "[a, b, c]")
        kept: list[Any] = []
        for value in values:
            if any(type(value) is type(one) and value == one for one in kept):
                self.refuse(begin, f"{value!r} is among the choices of {name!r} twice", "each choice once")
            kept.append(value)
        return Dimension(name, "choice", choices=tuple(kept))

    def _list(self, begin: int, depth: int) -> list[Any]:
        """The values up to the closing bracket; the opening one was read."""
        if depth > _DEPTH:
            self.refuse(begin, f"lists are nested more than {_DEPTH} deep", "fewer brackets")
        values: list[Any] = []
        self._skip()
        if self._eat("]"):
            return values
        while True:
            self._skip()
            values.append(self._value(depth))
            self._skip()
            if self._eat("]"):
                return values
            if self.at >= len(self.text):
                self.refuse(begin, "a bracket is not closed", "]")
            if not self._eat(","):
                self.refuse(self.at, f"{self._here()} follows a value", ", or ]")

    def _value(self, depth: int) -> Any:
        begin = self.at
        if self._eat("["):
            return self._list(begin, depth + 1)
        if (token := self._take(_NUMBER)) is not None:
            return float(token) if set(token) & set(".eE") else int(token)
        if (token := self._take(_TEXT)) is not None:
            return token[1:-1]
        if (token := self._take(_WORD)) is not None:
            return _WORDS.get(token.lower(), token)
        return self.refuse(self.at, f"{self._here()} is no value", "a number, a word, a quoted text or a list")

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _eat(self, sign: str) -> bool:
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    def _here(self) -> str:
        return repr(self.text[self.at]) if self.at < len(self.text) else "the end"
