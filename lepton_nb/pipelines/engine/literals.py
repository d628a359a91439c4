"""A value as Python source that makes exactly this value again."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from ...errors import UsageError
from ...workspace import secret_name

__all__ = ["assignment", "recorded"]

# CPython refuses to read more brackets inside each other than 200.
_DEEPEST = 90
# Longer numbers are neither written nor read in decimal.
_DECIMAL_BITS = 14_000
# Stands for the module `builtins`; no literal holds this character, which is always escaped in them.
_BUILTINS = "\0"
_IMPORT = f"{_BUILTINS}.__import__"
_RESOLVE = f'{_IMPORT}("lepton_nb.workspace").workspace.resolve_secret'


def assignment(name: str, value: Any) -> str:
    """A line that binds exactly this value to a name, whatever any name is bound to before, and binds no other.

    A text `secret:NAME` becomes the call that resolves it, so that the source never holds the secret.

    Args:
        name: a name of Python.
        value: None, truth values, numbers (NumPy's too), text, bytes, dates and times, paths, and lists, tuples,
            sets and mappings of these.

    Raises:
        UsageError: there is no such line for a value of this type, or it is nested too deeply.
    """
    source = _literal(value)
    if _BUILTINS not in source:
        return f"{name} = {source}"
    # Every builtin may be another parameter's name, `__import__` too; the statement looks at none of them.
    return f"import builtins as {name}; {name} = {source.replace(_BUILTINS, name)}"


def _literal(value: Any, depth: int = 0) -> str:
    if depth > _DEEPEST:
        raise UsageError("a parameter is nested too deeply", expected=f"at most {_DEEPEST} levels")
    if (write := _WRITERS.get(type(value))) is not None:
        return write(value)
    if (write_all := _CONTAINERS.get(type(value))) is not None:
        return write_all(value, depth + 1)
    if isinstance(value, dt.tzinfo):
        return _zone(value)
    if isinstance(value, PurePath):
        return f'{_IMPORT}("pathlib").{type(value).__name__}({str(value)!r})'
    if isinstance(value, Mapping):
        return _mapping(value, depth + 1)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        _check_times(value)
        return _literal(value.tolist(), depth)
    raise UsageError(
        f"a parameter cannot be of type {type(value).__name__}",
        expected="text, a number, bytes, a date or time, a path, or lists, tuples, sets and mappings of these",
    )


def recorded(value: Any) -> Any:
    """The value as the notebook's metadata can hold it: JSON, for people and programs to read."""
    if isinstance(value, Mapping):
        return {_text(key if isinstance(key, str) else str(key)): recorded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [recorded(item) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if value.bit_length() < _DECIMAL_BITS else hex(value)
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _text(str(value))


def _check_times(value: Any) -> None:
    """Refuse times of NumPy that Python has no type for: `tolist` makes plain numbers of them, or None."""
    for name in value.dtype.names or ():
        _check_times(value[name])
    if value.dtype.kind in "mM" and any(item is None or isinstance(item, int) for item in value.ravel().tolist()):
        raise UsageError(
            f"a parameter cannot hold NumPy's {value.dtype} exactly",
            expected="times in whole microseconds, none of them NaT",
            hint="convert it with `.astype('datetime64[us]')`, or pass it as text",
        )


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _string(value: str) -> str:
    name = secret_name(value)
    return repr(value) if name is None else f"{_RESOLVE}({name!r})"


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'{_BUILTINS}.float("{value!r}")'


def _integer(value: int) -> str:
    # Hexadecimal has no such limit.
    return repr(value) if value.bit_length() < _DECIMAL_BITS else hex(value)


def _date(value: dt.date) -> str:
    return f"{_DATETIME}.date({value.year}, {value.month}, {value.day})"


def _clock(value: dt.datetime | dt.time) -> str:
    parts = [str(value.hour), str(value.minute), str(value.second), str(value.microsecond)]
    if isinstance(value, dt.datetime):
        parts = [str(value.year), str(value.month), str(value.day), *parts]
    parts += [f"tzinfo={_zone(value.tzinfo)}"] if value.tzinfo else []
    parts += ["fold=1"] if value.fold else []
    return f"{_DATETIME}.{type(value).__name__}({', '.join(parts)})"


def _zone(value: dt.tzinfo) -> str:
    if type(value) is dt.timezone:
        (offset, *name) = value.__getinitargs__()  # type: ignore[attr-defined] # what pickle reads
        arguments = ", ".join([_span(offset), *map(repr, name)])
        return f"{_DATETIME}.timezone({arguments})"
    if isinstance(value, zoneinfo.ZoneInfo) and value.key:
        return f'{_IMPORT}("zoneinfo").ZoneInfo({value.key!r})'
    raise UsageError(f"a parameter cannot hold the time zone {value!r}", expected="a fixed offset, or a ZoneInfo")


def _span(value: dt.timedelta) -> str:
    return f"{_DATETIME}.timedelta({value.days}, {value.seconds}, {value.microseconds})"


def _items(values: Any, depth: int) -> str:
    return ", ".join(_literal(value, depth) for value in values)


def _tuple(value: tuple[Any, ...], depth: int) -> str:
    return f"({_items(value, depth)},)" if len(value) == 1 else f"({_items(value, depth)})"


def _set(value: set[Any] | frozenset[Any], depth: int) -> str:
    return f"{_BUILTINS}.{type(value).__name__}([{', '.join(sorted(_literal(item, depth + 1) for item in value))}])"


def _mapping(value: Mapping[Any, Any], depth: int) -> str:
    # A key is a name, never a secret.
    keys = (repr(key) if isinstance(key, str) else _literal(key, depth) for key in value)
    return f"{{{', '.join(f'{key}: {_literal(item, depth)}' for key, item in zip(keys, value.values(), strict=True))}}}"


_DATETIME = f'{_IMPORT}("datetime")'
_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): repr,
    bool: repr,
    int: _integer,
    float: _float,
    str: _string,
    bytes: repr,
    bytearray: lambda value: f"{_BUILTINS}.{value!r}",
    dt.date: _date,
    dt.datetime: _clock,
    dt.time: _clock,
    dt.timedelta: _span,
}
_CONTAINERS: dict[type, Callable[[Any, int], str]] = {
    list: lambda value, depth: f"[{_items(value, depth)}]",
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    dict: _mapping,
}
