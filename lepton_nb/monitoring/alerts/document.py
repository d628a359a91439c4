"""A small YAML file as values that know their lines, so that each fault can name its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import FormatError, LeptonError, NotFoundError, near

__all__ = ["Node", "read_document"]

_MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class Node:
    """A value and where it stands.

    Args:
        value: text, a list of nodes, or a mapping of text to nodes.
        path: the file.
        line: counted from 1.
        name: what leads to it, such as `alerts.late`.
    """

    value: Any
    path: Path
    line: int
    name: str

    def refused(self, what: str, expected: str = "", got: str = "", hint: str = "") -> LeptonError:
        """The error about this place."""
        where = f"{self.path}, line {self.line}" + (f", {self.name}" if self.name else "")
        return FormatError(f"{where}: {what}", expected=expected, got=got, hint=hint)

    def fields(self, required: Iterable[str], others: Iterable[str]) -> dict[str, Node]:
        """The fields of a mapping, all of which are known.

        Raises:
            FormatError: it is no mapping, a field is unknown, or one is missing.
        """
        required, known = tuple(required), (*required, *others)
        found = self.mapping()
        for name, node in found.items():
            if name not in known:
                raise node.refused(f"unknown field {name!r}", ", ".join(known), hint=near(name, known))
        if missing := [name for name in required if name not in found]:
            raise self.refused(f"{missing[0]} is missing", hint=f"add {missing[0]}: ...")
        return found

    def mapping(self) -> dict[str, Node]:
        """Its nodes by name.

        Raises:
            FormatError: it is no mapping.
        """
        if not isinstance(self.value, dict):
            raise self.refused("this is no mapping", "name: value")
        return self.value

    def items(self) -> list[Node]:
        """Its nodes; a text alone is a list of one.

        Raises:
            FormatError: it is a mapping.
        """
        if isinstance(self.value, dict):
            raise self.refused("this is no list", "[one, two]")
        return self.value if isinstance(self.value, list) else [self]

    def text(self) -> str:
        """Its text.

        Raises:
            FormatError: it is none, or empty.
        """
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.refused("this is no text", "text")
        return self.value.strip()


def read_document(path: Path) -> Node:
    """The file as nodes.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no YAML, or uses what these files have no need of (anchors, tags, a field twice).
    """
    import yaml

    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as cause:
        raise NotFoundError(f"{path} does not exist", expected="a YAML file of alerts") from cause
    if len(content) > _MOST_BYTES:
        raise FormatError(f"{path} is too long", expected=f"at most {_MOST_BYTES:,} bytes", got=f"{len(content):,}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = content.decode()
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise FormatError(f"{path}, line {line}: anchors are not understood here", hint="write it out")
        tree = yaml.compose(text, Loader=loader)
    except UnicodeDecodeError as cause:
        raise FormatError(f"{path} is not UTF-8 text", got=str(cause)) from cause
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise FormatError(f"{path}{where}: this is not YAML", got=cause.problem or str(cause)) from cause
    except (yaml.YAMLError, RecursionError) as cause:
        raise FormatError(f"{path} is not YAML", got=str(cause)) from cause
    if tree is None:
        return Node({}, path, 1, "")
    return _node(tree, path, "")


def _node(tree: Any, path: Path, name: str) -> Node:
    import yaml

    line = tree.start_mark.line + 1
    if isinstance(tree, yaml.SequenceNode):
        return Node([_node(one, path, f"{name}[{place}]") for place, one in enumerate(tree.value)], path, line, name)
    if not isinstance(tree, yaml.MappingNode):
        return Node(tree.value, path, line, name)
    found: dict[str, Node] = {}
    for key, value in tree.value:
        text = str(key.value)
        node = _node(value, path, f"{name}.{text}" if name else text)
        node = Node(node.value, path, key.start_mark.line + 1, node.name)
        if text in found:
            raise node.refused("this field is there twice", hint=f"the first is on line {found[text].line}")
        found[text] = node
    return Node(found, path, line, name)
