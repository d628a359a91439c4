"""The source of a network's class, with what it needs, as one module that stands alone.

A class of a notebook has no file, but its methods know the cell that they were written in, and IPython keeps the cells.
The text is taken when the training starts: later the cell may have been changed and run again.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import linecache
import math
import symtable
import sys
import sysconfig
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from .spec import Spec

__all__ = ["WRITTEN", "Written", "written"]

WRITTEN = "source.json"

_PLAIN = (int, float, str, bytes, bool, complex, type(None))
_NESTED = (tuple, list, set, frozenset, dict)
_LONGEST = 10_000


class _NoSourceError(Exception):
    """Why there is no source that stands alone; one line."""


@dataclass(frozen=True)
class Written:
    """What is known of a network's source.

    Args:
        name: of its class.
        text: a module that holds the class; empty when there is none.
        options: the arguments it is built with, as a Python literal.
        fault: why there is no text; empty when there is one.
    """

    name: str
    text: str = ""
    options: str = "{}"
    fault: str = ""


def written(spec: Spec) -> Written:
    """The source of the network that was asked for; never an error, since the training goes on without it.

    Args:
        spec: a class or an instance; one of the zoo has no source of its own.
    """
    kind = spec.source if isinstance(spec.source, type) else type(spec.source)
    if spec.kind == "zoo":
        return Written(spec.name, fault="it is one of the networks that ONNX can express")
    try:
        options, text = _options_of(spec), _Module().of(kind)
    except _NoSourceError as fault:
        return Written(kind.__name__, fault=str(fault))
    except Exception as fault:  # noqa: BLE001 - whatever a class of the user's own does when it is looked at
        return Written(kind.__name__, fault=f"{type(fault).__name__}: {fault}")
    return Written(kind.__name__, text, repr(options))


def _options_of(spec: Spec) -> dict[str, Any]:
    options = dict(spec.options) if spec.kind == "class" else _kept_by(spec.source)
    if not _is_plain(options):
        raise _NoSourceError("an argument that it is built with is no plain value")
    return options


def _kept_by(network: Any) -> dict[str, Any]:
    """The arguments of an instance, as far as it kept them."""
    import inspect

    parameters = inspect.signature(type(network)).parameters.values()
    kept = dict(getattr(network, "hparams", {}))
    wanted = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    if lacking := [one.name for one in wanted if one.name not in kept]:
        raise _NoSourceError(
            f"the argument {lacking[0]} of the instance is not known; train the class, or call save_hyperparameters()"
        )
    return {one.name: kept[one.name] for one in wanted}


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if type(value) in _NESTED:
        items = [*value, *value.values()] if isinstance(value, dict) else value
        return all(map(_is_plain, items))
    return type(value) in _PLAIN


@dataclass
class _Module:
    """A module that is being put together."""

    imports: set[str] = field(default_factory=set)
    constants: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    meant: dict[str, object] = field(default_factory=dict)

    def of(self, kind: type) -> str:
        self._define(kind)
        head = "from __future__ import annotations\n\n" + "\n".join(sorted(self.imports))
        constants = "\n".join(f"{name} = {value}" for name, value in self.constants.items())
        text = "\n\n\n".join(part for part in (head, constants, *self.definitions.values()) if part.strip()) + "\n"
        compile(text, "<network>", "exec", dont_inherit=True)
        return text

    def _define(self, value: Any) -> None:
        name = value.__name__
        if self._is_known(name, value):
            return
        text, known = _definition(value)
        for used in sorted(_global_names(text) - {name}):
            if used in known:
                self._need(used, known[used])
            elif not hasattr(builtins, used):
                raise _NoSourceError(f"{name} uses {used!r}, which is not defined in its cell's notebook")
        self.definitions[name] = text

    def _need(self, name: str, value: Any) -> None:
        """See to it that `name` means `value` in the module."""
        own = isinstance(value, (type, FunctionType)) and not _imported(name, value)
        if own:
            self._define(value)
        if (own and name == value.__name__) or self._is_known(name, value):
            return
        if own:
            self.definitions[name] = f"{name} = {value.__name__}"
        elif _is_plain(value):
            if len(repr(value)) > _LONGEST:
                raise _NoSourceError(f"it uses {name!r}, a value too long to be written down")
            self.constants[name] = repr(value)
        elif found := _imported(name, value):
            self.imports.add(found)
        else:
            raise _NoSourceError(f"it uses {name!r}, a {type(value).__name__}, which has no source")

    def _is_known(self, name: str, value: object) -> bool:
        if name in self.meant and self.meant[name] is not value:
            raise _NoSourceError(f"two things that it uses are called {name!r}")
        known = name in self.meant
        self.meant[name] = value
        return known


def _definition(value: Any) -> tuple[str, Mapping[str, Any]]:
    """The text of a class or a function, and the names around it."""
    functions = list(_functions(value))
    if "<locals>" in value.__qualname__ or "<lambda>" in value.__qualname__:
        raise _NoSourceError(f"{value.__qualname__} is defined inside a function")
    for function in functions:
        lines = linecache.getlines(function.__code__.co_filename)
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:
            continue
        # The last of that name that holds the method: a cell may define it twice.
        for node in reversed(tree.body):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == value.__name__:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                if first <= function.__code__.co_firstlineno <= (node.end_lineno or 0):
                    text = textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip()
                    return text, function.__globals__
    raise _NoSourceError(f"the source of {value.__name__} is not known any more")


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions that were written where a class or a function was."""
    if isinstance(value, FunctionType):
        yield value
        return
    for member in vars(value).values():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        inner = getattr(inner, "__wrapped__", inner)
        if isinstance(inner, FunctionType) and inner.__module__ == value.__module__:
            yield inner


def _global_names(text: str) -> set[str]:
    """The names that a definition takes from the module around it."""
    top = symtable.symtable(text, "<network>", "exec")
    found = {one.get_name() for one in top.get_symbols() if one.is_referenced() and not one.is_assigned()}
    waiting = list(top.get_children())
    while waiting:
        table = waiting.pop()
        found |= {one.get_name() for one in table.get_symbols() if one.is_global() and one.is_referenced()}
        waiting += table.get_children()
    return found


def _imported(name: str, value: Any) -> str:
    """The line that imports a module, or a thing of an installed package by its name; empty when none does."""
    if isinstance(value, ModuleType):
        if not _is_installed(value.__name__):
            raise _NoSourceError(f"it uses the module {value.__name__} of the project itself")
        return f"import {name}" if value.__name__ == name else f"import {value.__name__} as {name}"
    module, own = getattr(value, "__module__", None), getattr(value, "__name__", "")
    if not isinstance(module, str) or module == "__main__" or not own.isidentifier() or not _is_installed(module):
        return ""
    try:
        found = getattr(importlib.import_module(module), own, None)
    except ImportError:
        return ""
    if found is not value:
        return ""
    return f"from {module} import {own}" + ("" if own == name else f" as {name}")


def _is_installed(module: str) -> bool:
    """Whether a module came with Python or by an installation, and is not the user's own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return top != "__main__"
    file = getattr(sys.modules.get(top), "__file__", None)
    if top == __name__.partition(".")[0]:
        return True
    places = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")]
    return file is not None and any(Path(file).is_relative_to(place) for place in places)
