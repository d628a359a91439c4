"""The two faults of the runtime. It is copied into Bentos, so it knows none of the errors of the floors above."""

from __future__ import annotations

from typing import Any

__all__ = ["ModelError", "RequestError"]


class ModelError(Exception):
    """A model folder, a slots file or a setting cannot be served. The message names it."""


class RequestError(Exception):
    """A request cannot be answered.

    Args:
        status: HTTP status.
        code: one word for programs, such as `invalid_row`.
        message: one line for people.
        row: the row at fault, counted from 0, where it is one row's fault.
    """

    def __init__(self, status: int, code: str, message: str, row: int | None = None) -> None:
        self.status, self.code, self.message, self.row = status, code, message, row
        super().__init__(status, code, message, row)

    def __str__(self) -> str:
        return self.message

    def behind(self, rows: int) -> RequestError:
        """The same fault, where so many rows stand before those that it counts."""
        if self.row is None:
            return self
        message = self.message.replace(f"row {self.row}", f"row {rows + self.row}", 1)
        return RequestError(self.status, self.code, message, rows + self.row)

    def to_dict(self) -> dict[str, Any]:
        """The body of the answer: `{"error": {"code", "message"}}`, with `row` where it is one row's fault."""
        row = {} if self.row is None else {"row": self.row}
        return {"error": {"code": self.code, "message": self.message, **row}}
