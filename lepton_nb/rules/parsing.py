"""The text of a rule becomes a tree of a few kinds of nodes, or one error that names the place.

    rule        =  rule "or" rule  |  rule "and" rule  |  "not" rule  |  comparison
    comparison  =  sum { ("<" | "<=" | ">" | ">=" | "==" | "!=" | "in" | "not in") sum }
    sum         =  sum ("+" | "-" | "*" | "/" | "%") sum  |  ("-" | "+") sum  |  atom
    atom        =  number | text | "true" | "false" | "null" | name | function "(" [rule {"," rule}] ")"
                |  "[" [rule {"," rule}] "]"  |  "(" rule ")"
    number      =  digits ["." digits] ["e" ["+" | "-"] digits]
    text        =  characters between two ' or two ", without that quote; there are no escapes
    name        =  identifier {"." identifier}  |  "{" any name of a step or a parameter, such as train-cnn.loss "}"

Operators bind as in Python, and a chain such as `0 < x <= 1` means what it means there. The words `and`, `or`, `not`,
`in`, `true`, `false` and `null` are no names.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import RuleError, near

__all__ = ["Rule", "names", "parse", "refusal"]

# More than a person writes on a line, and less than Python's own parser and recursion can be hurt with.
_CHARACTERS, _DEPTH = 1000, 40
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?(?![\w.]))
    |(?P<text>'[^']*'|"[^"]*")
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?![\w.]))
    |\{(?P<braced>[ ]*[A-Za-z0-9_][\w-]*(?:\.[A-Za-z0-9_][\w-]*)*[ ]*)\}
    |(?P<sign><=|>=|==|!=|[-<>+*/%(),\[\]])""",
    re.VERBOSE | re.ASCII,
)
_WORDS = frozenset({"and", "or", "not", "in"})
_VALUES: dict[str, bool | None] = {"true": True, "false": False, "null": None}
# What a token that is none of the language was probably meant as.
_MEANT = {"=": "==", "&": "and", "|": "or", "!": "not", "{": "{step.output}", "'": "a closing quote"}
_MEANT['"'] = _MEANT["'"]


@dataclass(frozen=True)
class Rule:
    """A rule that was read.

    Args:
        text: as it was written.
        tree: of Python's nodes, in which each number, text and name is a placeholder.
        constants: values of the placeholders that are numbers, texts or words.
        names: names by their placeholders, those of functions too.
        places: for each column of the tree's nodes, that of the text.
    """

    text: str
    tree: ast.expr
    constants: dict[str, Any]
    names: dict[str, str]
    places: dict[int, int]

    def functions(self) -> dict[str, ast.Name]:
        """The names that are called, and where."""
        calls = [node.func for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        return {self.names[node.id]: node for node in calls if isinstance(node, ast.Name)}

    def used(self) -> dict[str, ast.Name]:
        """The names whose values are asked for, and where, in the order of the text."""
        called = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name) and id(node) not in called]
        ordered = sorted((node for node in found if node.id in self.names), key=lambda node: -node.col_offset)
        return {self.names[node.id]: node for node in reversed(ordered)}

    def place(self, node: ast.AST) -> int:
        """Where a node begins in the text."""
        return self.places.get(getattr(node, "col_offset", 0), 0)


def names(text: str, functions: Iterable[str] = ()) -> tuple[str, ...]:
    """The names whose values a rule needs, in its order; braces are left out.

    Args:
        text: the rule.
        functions: the names it may call.

    Raises:
        RuleError: the text is no rule, or calls what is no function.

    Example:
        >>> names("train.accuracy >= champion - 0.01 and {train-cnn.loss} < psi(age)", ["psi"])
        ('train.accuracy', 'champion', 'train-cnn.loss', 'age')
    """
    rule, legal = parse(text), tuple(functions)
    for name, node in rule.functions().items():
        if name not in legal:
            raise refusal(
                text, rule.place(node), f"{name!r} is no function", ", ".join(legal) or "none here", near(name, legal)
            )
    return tuple(rule.used())


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Rule:
    """Read a rule.

    Raises:
        RuleError: the text is no rule.
    """
    if len(text) > _CHARACTERS:
        raise RuleError(
            f"a rule of {len(text)} characters is too long", expected=f"at most {_CHARACTERS}", got=f"{text[:40]}..."
        )
    constants: dict[str, Any] = {}
    called: dict[str, str] = {}
    source, places = "", {}
    for kind, token, at in _tokens(text):
        places[len(source)] = at
        word = token if kind == "sign" or token in _WORDS else f"_{len(places)}"
        if kind in ("name", "braced") and token not in _WORDS:
            if kind == "name" and token in _VALUES:
                constants[word] = _VALUES[token]
            else:
                called[word] = token
        elif kind in ("number", "text"):
            constants[word] = token[1:-1] if kind == "text" else float(token) if set(token) & set(".eE") else int(token)
        source += f"{word} "
    places[len(source)] = len(text)
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError as cause:
        # Python gives the end of the text as 0.
        at = places.get(cause.offset - 1, len(text)) if cause.offset else len(text)
        raise refusal(text, at, "it is no rule", "such as accuracy >= champion - 0.01") from None
    rule = Rule(text, tree, constants, called, places)
    _check(rule)
    return rule


def refusal(text: str, at: int, what: str, expected: str = "", hint: str = "") -> RuleError:
    """The error about one place of a rule."""
    return RuleError(f"rule {text!r}, column {at + 1}: {what}", expected=expected, hint=hint)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at = depth = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or (match["text"] and not match["text"].isprintable()):
            meant = _MEANT.get(text[at], "")
            raise refusal(
                text,
                at,
                f"{text[at]!r} stands where it means nothing",
                "names, numbers, quoted text, and, or, not, in, < <= > >= == != + - * / %",
                f"did you mean {meant}?" if meant else "",
            )
        kind = match.lastgroup or ""
        token = match[kind].strip()
        depth += (token in ("(", "[")) - (token in (")", "]")) if kind == "sign" else 0
        if depth > _DEPTH:
            raise refusal(text, at, f"it is nested more than {_DEPTH} deep")
        if kind != "space":
            yield kind, token, at
        at = match.end()


_NODES = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod),
    *(ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.In, ast.NotIn),
    *(ast.Name, ast.Load, ast.List, ast.Call),
)


def _check(rule: Rule) -> None:
    waiting: list[tuple[ast.AST, int]] = [(rule.tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        place = rule.place(node)
        if not isinstance(node, _NODES):
            raise refusal(rule.text, place, f"a {type(node).__name__.lower()} is not part of a rule")
        if depth > _DEPTH:
            raise refusal(rule.text, place, f"it is nested more than {_DEPTH} deep", hint="use fewer operators")
        if isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.func.id not in rule.names):
            raise refusal(rule.text, place, "only a name can be called")
        waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
