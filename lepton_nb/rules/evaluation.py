"""What a rule comes to, with values for its names."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from ..errors import RuleError, near
from .parsing import Rule, parse, refusal

__all__ = ["UNKNOWN", "Unknown", "evaluate", "holds"]

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# Python writes no number that is much larger.
_BITS = 10_000
_NOTHING: Mapping[str, Callable[..., Any]] = MappingProxyType({})


class Unknown:
    """The only value of its kind, `UNKNOWN`: what is asked for exists, but nobody can tell it yet."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class _NotToldError(Exception):
    """A value is UNKNOWN, and so is what would be computed with it."""


def holds(text: str, values: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] = _NOTHING) -> bool | None:
    """Whether a rule holds; None when that hangs on something that is not known yet.

    Args:
        text: the rule.
        values: of its names.
        functions: that it may call, by name.

    Raises:
        RuleError: as `evaluate`, or the rule is neither true nor false.

    Example:
        >>> holds("drifting or quality < 0.9", {"drifting": True, "quality": UNKNOWN})
        True
        >>> holds("drifting or quality < 0.9", {"drifting": False, "quality": UNKNOWN}) is None
        True
    """
    value = evaluate(text, values, functions)
    if value is UNKNOWN:
        return None
    if not isinstance(value, bool):
        raise RuleError(f"rule {text!r} is neither true nor false", expected="a comparison", got=_kind(value))
    return value


def evaluate(text: str, values: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] = _NOTHING) -> Any:
    """The value of a rule.

    Numbers are added and compared with numbers, text is compared with text, `and`, `or` and `not` take truth
    values only; all values can be compared by `==`. What is not needed is not looked up: the right side of an `and`
    whose left side is false. A number that is not a number (NaN) is less than none and equal to none. What is computed
    with `UNKNOWN` is `UNKNOWN`, but for an `and` with something false and an `or` with something true.

    Args:
        text: the rule, of the grammar in `lepton_nb.rules.parsing`.
        values: of its names; a dotted name is one key. Only functions may take other values than those of JSON.
        functions: that it may call, by name.

    Raises:
        RuleError: the text is no rule, a name or a function is not known, or an operator does not fit its values.

    Example:
        >>> evaluate("accuracy >= champion - 0.01 and 'a' in tags", {"accuracy": 0.9, "champion": 0.9, "tags": ["a"]})
        True
        >>> evaluate("psi(age) > 0.2", {"age": "age"}, {"psi": {"age": 0.3}.get})
        True
    """
    rule = parse(text)
    try:
        return _Evaluation(rule, values, functions).of(rule.tree)
    except _NotToldError:
        return UNKNOWN
    except (RecursionError, MemoryError) as cause:
        raise RuleError(f"rule {text!r} cannot be evaluated", got=type(cause).__name__) from cause


class _Evaluation:
    def __init__(self, rule: Rule, values: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self.rule, self.values, self.functions = rule, values, functions

    def of(self, node: ast.expr) -> Any:
        value = self._kinds[type(node)](self, node)
        if value is UNKNOWN:
            raise _NotToldError
        return value

    def _named(self, node: ast.Name) -> Any:
        if node.id in self.rule.constants:
            return self.rule.constants[node.id]
        name = self.rule.names[node.id]
        if name not in self.values:
            raise self._refused(
                node, f"{name!r} is not known", ", ".join(self.values) or "no names at all", near(name, self.values)
            )
        return self.values[name]

    def _listed(self, node: ast.List) -> list[Any]:
        return [self.of(item) for item in node.elts]

    def _turned(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return not self._truth(node.operand)
        value = self._number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value

    def _called(self, node: ast.Call) -> Any:
        name = self.rule.names[node.func.id] if isinstance(node.func, ast.Name) else ""
        if name not in self.functions:
            legal = ", ".join(self.functions) or "none here"
            raise self._refused(node, f"{name!r} is no function", legal, near(name, self.functions))
        arguments = [self.of(argument) for argument in node.args]
        try:
            return self.functions[name](*arguments)
        except Exception as cause:
            raise self._refused(node, f"{name} failed with {type(cause).__name__}: {cause}") from cause

    def _joined(self, node: ast.BoolOp) -> bool:
        stops, is_told = isinstance(node.op, ast.Or), True
        for value in node.values:
            try:
                if self._truth(value) is stops:
                    return stops
            except _NotToldError:
                is_told = False
        if not is_told:
            raise _NotToldError
        return not stops

    def _truth(self, node: ast.expr) -> bool:
        value = self.of(node)
        if not isinstance(value, bool):
            raise self._refused(node, f"{_kind(value)} stands where true or false is needed", hint="compare it")
        return value

    def _number(self, node: ast.expr) -> int | float:
        value = self.of(node)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._refused(node, f"{_kind(value)} stands where a number is needed")
        return value

    def _computed(self, node: ast.BinOp) -> Any:
        left, right = self._number(node.left), self._number(node.right)
        try:
            value = _ARITHMETIC[type(node.op)](left, right)
        except ZeroDivisionError:
            raise self._refused(node.right, "a division by zero") from None
        except ArithmeticError as cause:
            raise self._refused(node, f"it cannot be computed: {cause}") from cause
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise self._refused(node, f"a number of more than {_BITS} bits")
        return value

    def _compared(self, node: ast.Compare) -> bool:
        left = self.of(node.left)
        for sign, other in zip(node.ops, node.comparators, strict=True):
            right = self.of(other)
            if not self._holds(sign, left, right, other):
                return False
            left = right
        return True

    def _holds(self, sign: ast.cmpop, left: Any, right: Any, at: ast.expr) -> bool:
        try:
            if isinstance(sign, (ast.Eq, ast.NotEq)):
                return bool(left == right) is isinstance(sign, ast.Eq)
            if isinstance(sign, (ast.In, ast.NotIn)):
                if not isinstance(right, (list, tuple)) and not (isinstance(left, str) and isinstance(right, str)):
                    raise self._refused(
                        at, f"{_kind(left)} in {_kind(right)} cannot be asked", "a list, or text in text"
                    )
                return (left in right) is isinstance(sign, ast.In)
            kinds = {_kind(left), _kind(right)}
            if len(kinds) > 1 or not kinds <= {"a number", "text"}:
                raise self._refused(at, f"{_kind(left)} and {_kind(right)} have no order", "two numbers, or two texts")
            return bool(_ORDER[type(sign)](left, right))
        except (ArithmeticError, TypeError, ValueError) as cause:
            raise self._refused(at, f"it cannot be compared: {cause}") from cause

    _kinds: ClassVar[dict[type[ast.expr], Callable[..., Any]]] = {
        ast.Name: _named,
        ast.List: _listed,
        ast.UnaryOp: _turned,
        ast.BoolOp: _joined,
        ast.BinOp: _computed,
        ast.Compare: _compared,
        ast.Call: _called,
    }

    def _refused(self, node: ast.AST, what: str, expected: str = "", hint: str = "") -> RuleError:
        return refusal(self.rule.text, self.rule.place(node), what, expected, hint)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    kinds = {str: "text", list: "a list", tuple: "a list", dict: "a mapping", type(None): "null"}
    return kinds.get(type(value), f"a {type(value).__name__}")
