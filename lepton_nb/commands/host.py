"""What a verb asks of the place it runs in."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from ..errors import NotFoundError
from ..records import Event
from .progress import Progress

__all__ = ["Host", "PlainHost", "current_host", "hosted", "import_object"]


class Host(Protocol):
    """The notebook, the shell or plain Python code that a verb runs in."""

    def resolve(self, name: str) -> object:
        """The object called `name`: a variable of the notebook, or `package.module:attribute`.

        Raises:
            NotFoundError: there is no such object.
        """

    def knows(self, name: str) -> bool:
        """Whether `name` is a variable here; such a name wins over a file or a stored thing."""

    def names(self) -> tuple[str, ...]:
        """The variables here, to tell what a misspelt name may have meant."""

    def report(self, event: Event) -> None:
        """Show how far a long piece of work is."""


class PlainHost:
    """Plain Python code: no variables by name, progress on standard error."""

    def __init__(self) -> None:
        self.progress = Progress()

    def resolve(self, name: str) -> object:
        """The object at `package.module:attribute`."""
        return import_object(name)

    def knows(self, name: str) -> bool:
        """Never: a name here is that of something stored."""
        return False

    def names(self) -> tuple[str, ...]:
        """None."""
        return ()

    def report(self, event: Event) -> None:
        """Draw the event on standard error."""
        self.progress.show(event)


_current: ContextVar[Host | None] = ContextVar("lepton_host", default=None)


def current_host() -> Host:
    """The host of the verb that runs now."""
    return _current.get() or PlainHost()


@contextmanager
def hosted(host: Host) -> Iterator[None]:
    """Run the block's verbs in `host`."""
    token = _current.set(host)
    try:
        yield
    finally:
        _current.reset(token)


def import_object(name: str) -> object:
    """The object at `package.module:attribute`, the current folder's modules included.

    Raises:
        NotFoundError: the name has another form, or nothing is there.
    """
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise NotFoundError(
            f"{name!r} is not known here",
            expected="a name that exists, or package.module:attribute",
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as cause:
        raise NotFoundError(f"{name!r} cannot be imported", got=str(cause), hint="check the module's path") from cause
    return found
