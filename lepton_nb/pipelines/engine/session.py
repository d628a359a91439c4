"""One execution of a notebook, as Papermill asks an engine for it. Imports Papermill: import it where it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat.validator import get_validator
from papermill.exceptions import PapermillException
from papermill.log import logger
from papermill.translators import papermill_translators
from papermill.utils import find_first_tagged_cell_index, merge_kwargs, remove_args

from ...errors import UsageError
from ...workspace import secret_names
from .book import Book
from .client import Client
from .ending import one_line
from .kernel import for_client
from .parameters import LANGUAGE, PythonParameters, check, is_python, language_of, record
from .sockets import SocketFolder
from .termination import terminable
from .watch import Watch

__all__ = ["run"]

# Compiled once for all processes that are forked after this import: reading any notebook needs it.
get_validator(version=4, version_minor=5)  # type: ignore[no-untyped-call] # nbformat types some functions only


@terminable()
def run(
    nb: Any,
    kernel_name: str,
    output_path: str | None = None,
    progress_bar: Any = True,
    log_output: bool = False,
    autosave_cell_every: float = 30,
    watch: Watch | None = None,
    **options: Any,
) -> Any:
    """Execute a notebook; see `LeptonEngine.execute_notebook`.

    Args:
        nb: the notebook, changed in place.
        kernel_name: the kernel spec.
        output_path: where it is saved meanwhile, or None.
        progress_bar: as Papermill takes it.
        log_output: whether the outputs are logged, too.
        autosave_cell_every: seconds between saves to a place that is no local file.
        watch: who wants to know.
        options: Papermill's others, and nbclient's.
    """
    in_python = is_python(language_of(nb))
    _take_parameters(nb, kernel_name, in_python)
    book = Book(nb, output_path, autosave_cell_every, log_output=log_output, progress_bar=progress_bar)
    book.watch = watch
    book.notebook_start()
    try:
        with _sockets(watch) as sockets:
            kernel = for_client(kernel_name, in_python, sockets)
            client = Client(book, **_options(options, log_output), **kernel)
            client.execute()
        _allowed_errors(book)
    except BaseException as cause:
        if book.ending is None:
            book.end("failed", one_line(type(cause).__name__, str(cause)))
        _close(book, watch)
        # Papermill writes no notebook when an engine raises.
        book.write()
        raise
    _close(book, watch)
    return nb


def _close(book: Book, watch: Watch | None) -> None:
    ending = book.close()
    if watch:
        watch.ending = ending


def _options(options: dict[str, Any], log_output: bool) -> dict[str, Any]:
    """The names that nbclient has for what Papermill was asked for."""
    start, limit = options.pop("start_timeout", 60), options.pop("execution_timeout", None)
    timeout = limit or options.get("timeout")
    rest = remove_args(["input_path", "timeout", "startup_timeout"], **options)
    merged: dict[str, Any] = merge_kwargs(
        rest, timeout=timeout, startup_timeout=start, log=logger, log_output=log_output
    )
    return merged


def _take_parameters(nb: Any, kernel_name: str, in_python: bool) -> None:
    """Check the names, and see to it that the cell makes exactly the values.

    Raises:
        UsageError: a name is not declared or is none; or a secret for a kernel that cannot resolve it.
        NotFoundError: a secret is not there.
    """
    known = nb.metadata.papermill.get("parameters") or {}
    if not in_python:
        if any(secret_names(known)):
            language = nb.metadata.get("kernelspec", {}).get("language", kernel_name)
            raise UsageError(f"a notebook in {language} cannot take a secret", expected="a Python notebook")
        return
    index = find_first_tagged_cell_index(nb, "injected-parameters")
    if index < 0:
        return
    try:
        translator = papermill_translators.find_translator(kernel_name, LANGUAGE)
    except PapermillException:
        # Nobody has asked for ours yet: no parameters were given.
        return
    if not hasattr(translator, "given"):
        # Papermill's own, which it has for kernels of some names.
        values, nb.cells[index].source = known, PythonParameters.codify(known)
    elif (values := translator.given(nb.cells[index].source)) is None:
        # The cell is an earlier execution's.
        return
    tagged = find_first_tagged_cell_index(nb, "parameters")
    check(values, nb.cells[tagged].source if tagged >= 0 else None)
    nb.metadata.papermill["parameters"] = record(values)


def _allowed_errors(book: Book) -> None:
    """Papermill fails for an error that a cell's tag allows, too: then the notebook has to say so."""
    for number, cell in enumerate(book.nb.cells):
        for output in cell.get("outputs", []):
            left = output.output_type == "error" and output.ename == "SystemExit" and output.evalue in ("", "0")
            if output.output_type == "error" and not left and book.ending is None:
                book.running = cell.execution_count
                book.end("failed", one_line(output.ename, output.evalue), book.nb.cells[number])


@contextlib.contextmanager
def _sockets(watch: Watch | None) -> Iterator[Path]:
    if watch:
        yield watch.sockets
        return
    with SocketFolder() as folder:
        yield folder
