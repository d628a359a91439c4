"""The two faults of the runtime. It is copied into Bentos, so it knows none of the errors of the floors above."""

from __future__ import annotations

__all__ = ["ModelError", "RequestError"]


class ModelError(Exception):
    """A model folder, a slots file or a setting cannot be served. The message names it."""


class RequestError(Exception):
    """A request cannot be answered.

    Args:
        status: HTTP status.
        code: one word for programs, such as `invalid_row`.
        message: one line for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(status, code, message)

    def __str__(self) -> str:
        return self.message
