"""YAML as a pipeline file means it: nothing is dropped, and a plain scalar is a number only when it reads like one.

PyYAML follows YAML 1.1, where a repeated key silently wins, `1e-3` is text, `no` is false, `010` is eight and
`12:30` is 750. Here a repeated key is an error and scalars follow YAML 1.2's core schema.
"""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path
from typing import Any

import yaml

from ...errors import NotFoundError, PipelineError

__all__ = ["parse_yaml", "read_yaml", "typed"]

_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Python turns no more digits than this into a number, nor a number back into text, whatever its settings.
_DIGITS = 640
# More than a person writes; an alias that holds itself is deeper than any limit.
_DEPTH, _VALUES = 50, 100_000
# Below this, the nesting cannot come near the end of a stack of a few MiB.
_OPENERS, _INDENT = 5_000, re.compile("^ +", re.MULTILINE)
_DEEP = re.compile(rf"[\[{{]{{{_DEPTH + 1}}}")
_HALVES = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
# An id of hexadecimal digits can look like a huge power of ten; a number that a person writes is shorter.
_FLOAT = re.compile(
    r"[-+]?(?=[0-9.]{1,20}(e|$))((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]{1,3})?", re.IGNORECASE
)


def typed(text: str) -> Any:
    """What a plain scalar means: nothing, a truth value, a number, else the text itself.

    Leading zeros make text (an id stays an id), as does a number too large for a float or of too many digits.

    Example:
        >>> [typed(text) for text in ("3", "1e-3", "true", "null", "007", "no", "2026-01-31", "1e999")]
        [3, 0.001, True, None, '007', 'no', '2026-01-31', '1e999']
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _DIGITS and _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


_TOO_DEEP = f"it is nested more than {_DEPTH} deep, or an alias holds itself"


class _Strict:
    """What PyYAML's loaders lack: an error for a key that stands twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own shape

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise _DuplicateKeyError(key.value, seen[key.value], key.start_mark.line + 1)
            seen[key.value] = key.start_mark.line + 1
        return dict(super().construct_mapping(node, deep=deep))  # type: ignore[misc]


class _Loader(_Strict, yaml.SafeLoader):
    pass


# The same by libyaml, six times as fast, where PyYAML was built with it.
class _FastLoader(_Strict, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    pass


class _DuplicateKeyError(yaml.YAMLError):
    def __init__(self, key: str, first: int, again: int) -> None:
        super().__init__(key, first, again)
        self.key, self.first, self.again = key, first, again


def _scalar(loader: Any, node: yaml.ScalarNode) -> Any:
    text = loader.construct_scalar(node)
    return text if node.style else typed(text)


for _kind in (_Loader, _FastLoader):
    _kind.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("<<"), ["<"])
    _kind.add_constructor("tag:yaml.org,2002:str", _scalar)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is not YAML, or is nested too deeply or without an end.
    """
    try:
        value = _loaded(text)
    except RecursionError:
        raise yaml.YAMLError(_TOO_DEEP) from None
    waiting, seen = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > _DEPTH:
            raise yaml.YAMLError(_TOO_DEEP)
        if seen > _VALUES:
            raise yaml.YAMLError(f"it holds more than {_VALUES} values")
        if isinstance(item, str) and _HALVES.search(item):
            raise yaml.YAMLError(f"{item!a} holds half of a surrogate pair, which is no character")
        inner = (
            [*item, *item.values()] if isinstance(item, dict) else item if isinstance(item, (list, tuple, set)) else ()
        )
        waiting.extend((one, depth + 1) for one in inner)
    return value


def _loaded(text: str) -> Any:
    # libyaml's depth has no limit but the stack, and nothing catches its end.
    openers = sum(text.count(sign) for sign in ("[", "{", "- ", "? ")) + max(map(len, _INDENT.findall(text)), default=0)
    if openers < _OPENERS:
        with contextlib.suppress(yaml.YAMLError, ValueError):
            return yaml.load(text, _FastLoader)  # noqa: S506 - a SafeLoader: it builds plain values only
    if _DEEP.search(text):
        raise yaml.YAMLError(_TOO_DEEP)
    # libyaml's messages say less about what is wrong.
    return yaml.load(text, _Loader)  # noqa: S506


def read_yaml(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        NotFoundError: there is no such file.
        PipelineError: it is not YAML, or a key stands twice in one mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as cause:
        raise NotFoundError(f"no pipeline file {path}", hint="name a .yml file: lepton pipeline run FILE") from cause
    except UnicodeDecodeError as cause:
        raise PipelineError(f"{path} is not text", expected="YAML in UTF-8") from cause
    try:
        return parse_yaml(text)
    except _DuplicateKeyError as twice:
        raise PipelineError(
            f"{path}: {twice.key!r} stands twice, in lines {twice.first} and {twice.again}",
            expected="each step and each key once",
            hint="rename or remove one of them",
        ) from None
    except yaml.MarkedYAMLError as cause:
        line = cause.problem_mark.line + 1 if cause.problem_mark else 1
        raise PipelineError(f"{path} line {line}: {cause.problem}", expected="YAML") from cause
    except (yaml.YAMLError, ValueError) as cause:
        raise PipelineError(f"{path} cannot be read: {cause}", expected="YAML") from cause
