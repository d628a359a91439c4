"""A query in SQL as a table: DuckDB, closed to everything but the files and tables that the query names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from typing import Any

from ..errors import DataError, UsageError
from .memory import available_memory

__all__ = ["Tables", "is_query", "run_query"]

Tables = Callable[[str], Any]

_QUERY = re.compile(r"[\s(]*(select|with|from)[\s('\"*]", re.IGNORECASE)
_NAME = re.compile(r'"([^"]+)"|\b([^\W\d]\w*)')
# Before any text of the user is run. Extensions (the network is one) are not fetched; a variable of whoever calls
# is found only when we register it; files are read, but nothing that is no file of this machine is opened; and
# nothing of this can be set otherwise afterwards. One thread, as more give rows back in an order of chance, and
# equal rows must have an equal hash.
_CLOSED = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET threads = 1",
)
_LOCKED = (
    "SET allowed_directories = ['/']",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def is_query(text: str) -> bool:
    """Whether a text is a query and no name or path: it begins with SELECT, WITH or FROM.

    Example:
        >>> is_query("select * from 'rows.parquet'"), is_query("selected.csv")
        (True, False)
    """
    return _QUERY.match(text) is not None


def run_query(text: str, tables: Tables | None = None) -> Any:
    """The rows of one SELECT.

    Files are named in quotes, `FROM 'sales.parquet'`; a name without quotes is a table that `tables` knows. What a CSV
    file holds is decided by DuckDB, which reads yes and no as truth values.

    Args:
        text: the query.
        tables: gives the DataFrame or Arrow table of a name, or None.

    Returns:
        An Arrow table. The rows come in an order that the same query gives again, but only ORDER BY promises it.

    Raises:
        UsageError: it is not one SELECT.
        DataError: DuckDB refused it.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="lepton-query-") as spill, duckdb.connect(":memory:") as connection:
        for setting in _CLOSED:
            connection.execute(setting)
        connection.execute(f"SET memory_limit = '{max(256, available_memory() // 2**21)}MiB'")
        connection.execute("SET temp_directory = '" + spill.replace("'", "''") + "'")
        try:
            _refuse_other(connection.extract_statements(text))
            _register(connection, text, tables)
            for setting in _LOCKED:
                connection.execute(setting)
            return connection.sql(text).to_arrow_table()
        except duckdb.Error as cause:
            raise _refused(cause) from cause


def _refuse_other(statements: list[Any]) -> None:
    import duckdb

    kinds = [one.type.name for one in statements]
    if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
        raise UsageError(
            f"the query is {' and '.join(kinds) or 'empty'}",
            expected="one SELECT, which reads and changes nothing",
            hint="lepton data load \"SELECT * FROM 'rows.parquet'\" --target COLUMN",
        )


def _register(connection: Any, text: str, tables: Tables | None) -> None:
    # Every word is tried: what DuckDB says of a query's tables it says only when it can bind them, which is too late.
    for quoted, word in sorted(set(_NAME.findall(text))) if tables else ():
        found = tables(quoted or word) if tables else None
        if found is not None:
            connection.register(quoted or word, found)


def _refused(cause: Exception) -> DataError:
    import duckdb

    lines = str(cause).splitlines()
    # What follows is the query again with a mark below it, which says nothing in one line.
    said = " ".join(line.strip() for line in lines[: next((i for i, n in enumerate(lines) if not n.strip()), 3)])
    hint = "mend the query"
    if isinstance(cause, (duckdb.CatalogException, duckdb.IOException)):
        hint = "name a file in quotes, FROM 'rows.parquet', or a DataFrame of this notebook by its name"
    elif isinstance(cause, duckdb.PermissionException):
        hint = "fetch the file first: a query reads files of this machine only"
    elif isinstance(cause, duckdb.OutOfMemoryException):
        hint = "select fewer columns or rows"
    return DataError("the query cannot be run", got=said[:300], hint=hint)
