"""A desk in a process of its own, which all open pages ask: what many look at is made once.

It listens on a Unix socket in a folder that nobody else can enter. A question and its answer are a line of JSON each.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from pathlib import Path

from ..workspace import Workspace
from .desk import Desk
from .question import Question

__all__ = ["ask", "main", "serve"]

_LONGEST = 64 * 1024


def ask(connection: socket.socket, question: Question) -> dict[str, str]:
    """The answer of the board at the other end.

    Raises:
        OSError: it does not answer.
        ValueError: what it answered is no answer.
    """
    connection.sendall(json.dumps({"page": question.page, "query": question.link()[1:]}).encode() + b"\n")
    with connection.makefile("rb") as stream:
        line = stream.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the board went away")
    found = json.loads(line)["sections"]
    return {str(name): str(body) for name, body in found.items()}


def serve(desk: Desk, path: Path) -> None:
    """Answer at a socket for good, each connection in a thread of its own.

    Args:
        desk: what answers.
        path: the socket, which must not be there yet.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(64)
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_serve, args=(desk, connection), daemon=True).start()


def _serve(desk: Desk, connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
        while (line := stream.readline(_LONGEST)).endswith(b"\n"):
            asked = json.loads(line)
            sections = desk.answer(Question.parse(str(asked["page"]), str(asked["query"])))
            connection.sendall(json.dumps({"sections": sections}).encode() + b"\n")


def main() -> None:
    """Serve the workspace that the command line names at the socket that it names."""
    serve(Desk(Workspace(Path(sys.argv[1])), served=True), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
