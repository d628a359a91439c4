"""What the values of a pipeline file must be; each refusal names the file, the step and the key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import PipelineError, near
from .references import as_reference
from .resources import Resources

__all__ = ["condition", "count", "files", "grid", "mapping", "only", "resources", "seconds", "texts", "truth", "values"]

_MEMORY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)\s?([KMGT])(I?)B", re.IGNORECASE)
_PARAMETER = re.compile(r"\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}")
_RESOURCES = ("cpus", "memory", "gpus")


def mapping(value: Any, where: str, expected: str) -> dict[str, Any]:
    """A mapping whose keys are text."""
    if not isinstance(value, dict):
        raise PipelineError(f"{where} is not a mapping", expected=expected, got=type(value).__name__)
    for key in value:
        if not isinstance(key, str):
            raise PipelineError(f"{where}: key {key!r} is not text", hint="put it in quotes")
    return value


def only(body: Mapping[str, Any], legal: Iterable[str], where: str) -> None:
    """Refuse a key that is not legal."""
    for key in body:
        if key not in legal:
            raise PipelineError(f"{where}: unknown key {key!r}", expected=", ".join(legal), hint=near(key, legal))


def values(value: Any, where: str) -> dict[str, Any]:
    """Names with values that JSON can hold; nothing is no names."""
    body = mapping({} if value is None else value, where, "names with values")
    for name in body:
        if not name.isidentifier():
            raise PipelineError(f"{where}: {name!r} cannot be a variable", expected="a Python name")
    return {name: _value(item, f"{where}: {name}") for name, item in body.items()}


def _value(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        mapping(value, where, "names with values")
        value = _unquoted(value)
        return {k: _value(item, f"{where}: {k}") for k, item in value.items()} if isinstance(value, dict) else value
    if isinstance(value, list):
        return [_value(item, where) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise PipelineError(f"{where} is {type(value).__name__}", expected="text, numbers, true, false, lists or mappings")


def _unquoted(value: Any) -> Any:
    """YAML reads {step.output} without quotes as a mapping, which is undone here."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        reference = as_reference(str(next(iter(value))))
        return str(reference) if reference else value
    return value


def texts(value: Any, where: str, what: str) -> tuple[str, ...]:
    """One text, or a list of them; each counts once."""
    found = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in found):
        raise PipelineError(where, expected=f"a list of {what}", got=repr(value))
    return tuple(dict.fromkeys(found))


def files(value: Any, where: str) -> tuple[Path, ...]:
    """Files as written, relative to the project root."""
    items = [_unquoted(item) for item in value] if isinstance(value, list) else _unquoted(value)
    found = texts(items, where, "files, relative to the project root")
    if any("\0" in item for item in found):
        raise PipelineError(where, expected="names of files", got=repr(value))
    return tuple(Path(item) for item in found)


def truth(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise PipelineError(where, expected="true or false", got=repr(value))
    return value


def seconds(value: Any, where: str) -> float | None:
    """A duration, or none."""
    return None if value is None else _number(value, where, "seconds, more than 0")


def count(value: Any, where: str) -> int:
    """A whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise PipelineError(where, expected="a whole number, 0 or more", got=repr(value))
    return value


def _number(value: Any, where: str, expected: str, *, zero: bool = False) -> float:
    legal = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    if not legal or value < 0 or (value == 0 and not zero):
        raise PipelineError(where, expected=expected, got=repr(value))
    return float(value)


def resources(value: Any, where: str) -> Resources:
    """What a step asks of the machine."""
    body = mapping({} if value is None else value, where, ", ".join(_RESOURCES))
    only(body, _RESOURCES, where)
    cpus = _number(body.get("cpus", 1.0), f"{where}: cpus", "cores, more than 0")
    gpus = _number(body.get("gpus", 0.0), f"{where}: gpus", "accelerators, 0 or more", zero=True)
    return Resources(cpus, _memory_mb(body.get("memory"), f"{where}: memory"), gpus)


def _memory_mb(value: Any, where: str) -> float:
    if value is None:
        return 0.0
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise PipelineError(where, expected="an amount with its unit, such as 512MB, 2GB or 1.5GiB", got=repr(value))
    base = 1024 if match[3] else 1000
    return float(float(match[1]) * base ** ("KMGT".index(match[2].upper()) + 1) / 2**20)


def grid(value: Any, where: str) -> dict[str, Any]:
    """Names with the values that each takes in turn: a tuple, or the text of a reference to a list."""
    body = mapping({} if value is None else value, where, "names, each with a list of values")
    found: dict[str, Any] = {}
    for name, items in values(body, where).items():
        if isinstance(items, list) and items:
            found[name] = tuple(items)
        elif isinstance(items, str) and _PARAMETER.fullmatch(items):
            found[name] = items
        else:
            raise PipelineError(
                f"{where}: {name}",
                expected="a list of at least one value, or {PARAMETER} for one that is a list",
                got=repr(items),
            )
    if not found and value is not None:
        raise PipelineError(where, expected="at least one name with a list of values", got=repr(value))
    return found


def condition(value: Any, where: str) -> str:
    """The text of a rule."""
    value = _unquoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise PipelineError(where, expected="a condition, such as train.accuracy > 0.9", got=repr(value))
    return value or ""
