"""References in parameters: `{name}` is a pipeline parameter, `{step.output}` what a step reported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import PipelineError

__all__ = ["Reference", "as_reference", "escaped", "find", "resolve"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"(?:([a-z0-9][a-z0-9_-]*)\.)?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Reference:
    """What stands between the braces.

    Args:
        step: the step that reports it; empty for a parameter of the pipeline.
        name: the output, or the parameter.
    """

    step: str
    name: str

    def __str__(self) -> str:
        return f"{{{self.step}.{self.name}}}" if self.step else f"{{{self.name}}}"


def as_reference(text: str) -> Reference | None:
    """The reference that `text` spells without its braces, or None."""
    match = _NAME.fullmatch(text.strip())
    return Reference(match[1] or "", match[2]) if match else None


def find(value: Any) -> Iterator[Reference]:
    """Every reference in a parameter's value, nested ones too.

    Raises:
        PipelineError: a brace that starts or ends no reference.

    Example:
        >>> [str(found) for found in find(["{ingest.data}", {"a": "x-{name}", "b": "{{kept}}"}])]
        ['{ingest.data}', '{name}']
    """
    if isinstance(value, str):
        for match in _TOKEN.finditer(value):
            if match[0] not in ("{{", "}}"):
                yield _reference(match, value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find(item)
    elif isinstance(value, list):
        for item in value:
            yield from find(item)


def resolve(value: Any, known: Mapping[Reference, Any]) -> Any:
    """`value` with its references replaced; a value that is one reference keeps that one's type.

    Args:
        value: the parameter's value.
        known: the value of each reference.

    Raises:
        KeyError: a reference is not in `known`.

    Example:
        >>> known = {Reference("", "lr"): 0.1, Reference("train", "run"): "a1"}
        >>> resolve({"lr": "{lr}", "title": "{train.run} at {lr}", "text": "{{lr}}"}, known)
        {'lr': 0.1, 'title': 'a1 at 0.1', 'text': '{lr}'}
    """
    if isinstance(value, str):
        whole = _TOKEN.fullmatch(value)
        if whole and whole[1] is not None:
            return known[_reference(whole, value)]
        return _TOKEN.sub(lambda match: _text(match, value, known), value)
    if isinstance(value, Mapping):
        return {key: resolve(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, known) for item in value]
    return value


def escaped(value: Any) -> Any:
    """`value` written so that `resolve` gives it back: its braces doubled.

    Example:
        >>> resolve(escaped(["{a}", {"b": 1}]), {})
        ['{a}', {'b': 1}]
    """
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, Mapping):
        return {key: escaped(item) for key, item in value.items()}
    return [escaped(item) for item in value] if isinstance(value, (list, tuple)) else value


def _text(match: re.Match[str], value: str, known: Mapping[Reference, Any]) -> str:
    return match[0][0] if match[0] in ("{{", "}}") else str(known[_reference(match, value)])


def _reference(match: re.Match[str], value: str) -> Reference:
    found = None if match[1] is None else as_reference(match[1])
    if found is None:
        raise PipelineError(
            f"{match[0]!r} in {value!r} is no reference",
            expected="{step.output} or {parameter}",
            hint="write {{ and }} for braces that are meant as such",
        )
    return found
