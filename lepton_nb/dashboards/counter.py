"""Where a page asks: at the board of the server that it is shown by, or at a desk of its own."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from typing import Any

from ..workspace import Workspace
from .board import ask
from .desk import Desk
from .keeper import Keeper
from .question import Question
from .watching import answered

__all__ = ["BOARD", "Counter", "asked_once"]

# The environment variable that names the board's socket to the kernels of a server.
BOARD = "LEPTON_BOARD"
_ANSWER_S = 10.0
# A page that is opened waits for the board no longer than its kernel would take.
_OPENING_S = 2.0
# The first look waits this long at most for what is new on the logs.
_FIRST_S = 2.0


class Counter:
    """Hands questions on.

    Args:
        ws: the workspace that is asked about.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._board: socket.socket | None = None
        self._desk: Desk | None = None

    def answer(self, question: Question) -> dict[str, str]:
        """The sections of a page; when the board does not answer, from a desk of this process."""
        if path := os.environ.get(BOARD):
            try:
                return self._asked(path, question)
            except (OSError, ValueError, KeyError):
                self._hang_up()
        return self._own().answer(question)

    def decide(self, asked: dict[str, Any]) -> str:
        """Leave a person's answer to a watch; what hindered it, or an empty text."""
        return answered(self._ws, asked)

    def _asked(self, path: str, question: Question) -> dict[str, str]:
        if self._board is None:
            self._board = _connected(path, _ANSWER_S)
        return ask(self._board, question)

    def _hang_up(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None

    def _own(self) -> Desk:
        """A desk of this process, with a thread that keeps the windows up to date for as long as it is there."""
        if self._desk is None:
            self._desk = Desk(self._ws)
            keeper, ended = Keeper(self._ws), threading.Event()
            first = threading.Thread(target=keeper.once, daemon=True)
            first.start()
            first.join(_FIRST_S)
            threading.Thread(target=keeper.run, args=(ended,), name="lepton-keeper", daemon=True).start()
            weakref.finalize(self, ended.set)
        return self._desk


def asked_once(path: str, question: Question) -> dict[str, str] | None:
    """The sections of a page by the board at this socket; None where none answers soon."""
    if not path:
        return None
    try:
        with _connected(path, _OPENING_S) as connection:
            return ask(connection, question)
    except (OSError, ValueError, KeyError):
        return None


def _connected(path: str, patience: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(patience)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
