"""The injected cell: checked names, and values that arrive as they were given."""

from __future__ import annotations

import difflib
import keyword
import unicodedata
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from ...errors import UsageError
from ...workspace import resolve_secret, secret_names
from ..planning import declared_names
from .literals import assignment, recorded

__all__ = ["LANGUAGE", "PythonParameters", "check", "declared", "is_python", "language_of", "record"]

# What Papermill finds `PythonParameters` by; a notebook's own language stays as it is.
LANGUAGE = "lepton-python"
# Papermill passes these itself when it is asked to.
_PATHS = {"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}
# Python refuses the one; with the other bound, nothing works in the notebook any more.
_NOT_BINDABLE = {"__debug__", "__builtins__"}


class PythonParameters:
    """What Papermill asks for the source of the injected cell."""

    # Papermill shows an engine the values only after a notebook's metadata has made other types of them.
    _last: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("_last", default=None)

    @classmethod
    def codify(cls, parameters: Mapping[str, Any], comment: str = "Parameters") -> str:
        """The source of the injected cell.

        Args:
            parameters: values by name.
            comment: its first line.

        Raises:
            UsageError: a name is no name of Python, or a value cannot be written as source.
        """
        lines = [f"# {comment}"]
        for name, value in parameters.items():
            _check_name(name)
            try:
                line = assignment(name, value)
                compile(line, name, "exec")
            except (UsageError, SyntaxError, MemoryError, RecursionError, UnicodeError) as cause:
                raise UsageError(f"parameter {name!r} cannot be passed to a notebook", got=str(cause)) from cause
            lines.append(line)
        source = "\n".join([*lines, ""])
        cls._last.set((source, parameters))
        return source

    @classmethod
    def given(cls, source: str) -> Mapping[str, Any] | None:
        """The values behind an injected cell that `codify` has just written; None for any other cell."""
        last = cls._last.get()
        cls._last.set(None)
        return last[1] if last and last[0] == source else None


def check(parameters: Iterable[str], cell: str | None) -> None:
    """Refuse a parameter that the notebook does not declare.

    Args:
        parameters: names.
        cell: source of the cell tagged `parameters`. A notebook without one (None), or one whose cell does not
            parse, takes any: Papermill puts them at its top, and says so.

    Raises:
        UsageError: with the names that there are, the nearest first.
    """
    names = None if cell is None else declared(cell)
    for name in parameters:
        _check_name(name)
        if names is not None and name not in names and name not in _PATHS:
            near = difflib.get_close_matches(name, names, n=1)
            raise UsageError(
                f"the notebook has no parameter {name!r}",
                expected=f"one of {', '.join(sorted(names))}" if names else "none: its parameters cell is empty",
                hint=f"did you mean {near[0]!r}?" if near else "declare it in the cell tagged `parameters`",
            )


def declared(cell: str) -> set[str] | None:
    """The names that a parameters cell binds; None when it does not parse."""
    try:
        return set(declared_names(cell))
    except (SyntaxError, ValueError):
        return None


def record(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters for the notebook's metadata; each secret is resolved once, to be known before it is shown.

    Raises:
        NotFoundError: a secret is not there.
        UsageError: a secret is too short to be masked.
    """
    for name in secret_names(dict(parameters)):
        resolve_secret(name)
    return {name: recorded(value) for name, value in parameters.items()}


def language_of(nb: Any) -> str:
    """What a notebook says that it is written in; Python when it does not say."""
    about = nb.metadata.get("language_info", {}).get("name") or nb.metadata.get("kernelspec", {}).get("language")
    return str(about or "python")


def is_python(language: str) -> bool:
    """Whether a notebook in this language takes `PythonParameters`."""
    return language in ("python", "ipython")


def _check_name(name: Any) -> None:
    fits = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
    if not fits or unicodedata.normalize("NFKC", name) != name or name in _NOT_BINDABLE:
        raise UsageError(f"parameter {name!r} is no name of Python", expected="letters, digits and underscores")
