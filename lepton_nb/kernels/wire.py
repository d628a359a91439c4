"""Messages on a template's socket: a length, a JSON object, and file descriptors beside its first bytes."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

__all__ = ["Inbox", "peer_user", "receive", "send"]

_LENGTH = struct.Struct("!I")
# An environment is as large as the kernel lets it be, two MiB or so.
_LARGEST = 8 << 20
_MOST_DESCRIPTORS = 4
_CREDENTIALS = struct.Struct("3i")


def peer_user(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel tells it."""
    _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(user)


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message; the receiver gets duplicates of the descriptors."""
    body = json.dumps(message).encode()
    data = _LENGTH.pack(len(body)) + body
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sent = connection.sendmsg([data], beside)
    if sent < len(data):
        # Not of nothing: that fails where the receiver has all of it and is gone.
        connection.sendall(data[sent:])


class Inbox:
    """One end of a connection, and what has come of its next message."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = bytearray()
        self._descriptors: list[int] = []

    def read(self) -> tuple[dict[str, Any], list[int]] | None:
        """Take in what is there; a message with its descriptors once it is whole, else None.

        Raises:
            OSError: nothing came in time, or the other end is gone.
            ValueError: what came is not a message.
        """
        data, descriptors, flags, _ = _receive(self._connection)
        self._descriptors += descriptors
        if not data:
            raise ConnectionResetError("the other end closed the connection")
        self._data += data
        if flags & socket.MSG_CTRUNC or len(self._descriptors) > _MOST_DESCRIPTORS:
            raise ValueError("too many descriptors")
        if len(self._data) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._data)
        if length > _LARGEST:
            raise ValueError("the message is too long")
        if len(self._data) < _LENGTH.size + length:
            return None
        message = json.loads(bytes(self._data[_LENGTH.size : _LENGTH.size + length]))
        if not isinstance(message, dict):
            raise ValueError("the message is not an object")  # noqa: TRY004 -- what came is wrong, not what was called
        del self._data[: _LENGTH.size + length]
        descriptors, self._descriptors = self._descriptors, []
        return message, descriptors

    def close(self) -> None:
        """Close what was received and never asked for."""
        for descriptor in self._descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._descriptors.clear()


def receive(inbox: Inbox) -> tuple[dict[str, Any], list[int]]:
    """Wait for one message, as long as the connection's timeout allows."""
    while True:
        if (found := inbox.read()) is not None:
            return found


def _receive(connection: socket.socket) -> tuple[bytes, list[int], int, Any]:
    return socket.recv_fds(connection, 1 << 16, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
