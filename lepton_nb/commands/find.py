"""What a word of a verb means: a variable of the notebook, or something stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError, NotFoundError
from ..records import Bento, Data, Run
from ..workspace import Workspace
from .host import current_host

__all__ = ["bento_of", "data_of", "network_of", "options_of", "rows_of", "run_of", "source_of"]

_FILES = (".csv", ".parquet", ".json")


def source_of(value: object) -> object:
    """The variable called `value` where the host has one, else `value` itself."""
    host = current_host()
    return host.resolve(value) if isinstance(value, str) and host.knows(value) else value


def data_of(ws: Workspace, value: object, target: str | None = None) -> Data:
    """A data handle from a handle, a hash, a name, a file, a DataFrame or arrays."""
    from .. import data

    value = source_of(value)
    if isinstance(value, Data):
        return value
    if isinstance(value, (str, Path)) and not _is_source(str(value)):
        try:
            return data.find(ws, str(value))
        except NotFoundError:
            if not data.is_builtin(str(value)):
                raise
    return data.load(ws, value, target=target)


def _is_source(text: str) -> bool:
    return text.startswith("sklearn:") or Path(text).suffix.lower() in _FILES


def run_of(ws: Workspace, value: object) -> Run:
    """A run from a run, an id, a unique prefix, a name or `last`."""
    value = source_of(value)
    if isinstance(value, Run):
        return value
    from .. import tracking

    return tracking.get(ws, str(value))


def bento_of(ws: Workspace, value: object) -> Bento:
    """A Bento from a Bento, a tag, a name (latest) or a run that was packaged."""
    value = source_of(value)
    if isinstance(value, Bento):
        return value
    from .. import packaging

    if isinstance(value, Run):
        return packaging.of_run(ws, value)
    try:
        return packaging.find(ws, str(value))
    except NotFoundError as missing:
        try:
            return packaging.of_run(ws, run_of(ws, value))
        except NotFoundError:
            raise missing from None


def network_of(value: object) -> object:
    """A network from a name of the zoo, a class or an instance, or the name of one."""
    from .. import models

    if not isinstance(value, str):
        return value
    host = current_host()
    if host.knows(value) or ":" in value:
        return host.resolve(value)
    if value in models.names():
        return value
    raise NotFoundError(
        f"no network is called {value!r}",
        expected=f"one of {', '.join(models.names())}, a LightningModule of this notebook, or package.module:Class",
    )


def options_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` pairs with typed values.

    Example:
        >>> options_of(("hidden=[64, 32]", "dropout=0.1"))
        {'hidden': [64, 32], 'dropout': 0.1}

    Raises:
        UsageError: a pair has no `=`.
    """
    from .. import pipelines

    return dict(pipelines.parse_assignment(pair) for pair in pairs)


def rows_of(ws: Workspace, value: object, part: str) -> Any:
    """Inputs to predict: rows of a file, a DataFrame, arrays, or a part of a loaded data set.

    Raises:
        NotFoundError: the file does not exist.
        DataError: the file cannot be read.
    """
    value = source_of(value)
    path = Path(str(value))
    if isinstance(value, (str, Path)) and path.suffix.lower() in _FILES:
        return _read_file(path)
    if isinstance(value, (str, Data)):
        from .. import data

        return data.read(data_of(ws, value), part)[0]
    return value


def _read_file(path: Path) -> Any:
    import pandas as pd

    if not path.is_file():
        raise NotFoundError(f"{path} does not exist", expected="a .csv, .parquet or .json file")
    try:
        match path.suffix.lower():
            case ".json":
                rows = json.loads(path.read_bytes())
                return rows.get("rows", rows) if isinstance(rows, dict) else rows
            case ".parquet":
                return pd.read_parquet(path)
            case _:
                return pd.read_csv(path, skipinitialspace=True, na_values=["?"])
    except (ValueError, OSError) as cause:
        raise DataError(f"{path} cannot be read", got=str(cause)) from cause
