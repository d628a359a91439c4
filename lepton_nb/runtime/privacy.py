"""What of a row's inputs goes on the log: all, nothing, or a hash from which nobody reads the value."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from .errors import ModelError
from .texts import plain_text

__all__ = ["Kept"]

_WAYS = ("yes", "no", "hash")
_HASH_BYTES, _SALT_BYTES = 16, 32
SALT_FILE = "salt"


@dataclass(frozen=True)
class Kept:
    """How each column is logged.

    Args:
        every: `yes`, `no` or `hash`, for columns that are not named.
        columns: the same per column.
        salt: of the hashes; equal values have equal hashes under one salt, and no other way leads back.

    Example:
        >>> Kept.read("no:name").shown({"age": 3, "name": "x"})
        ({'age': 3}, ['name'])
    """

    every: str = "yes"
    columns: Mapping[str, str] = field(default_factory=dict)
    salt: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, text: str) -> Kept:
        """The setting `yes`, `no`, `hash`, or `hash:ssn,email;no:name` for single columns.

        Raises:
            ModelError: it says something else.
        """
        every = "yes"
        columns: dict[str, str] = {}
        for part in filter(None, map(str.strip, text.split(";"))):
            way, colon, names = part.partition(":")
            if way not in _WAYS or (colon and not names.strip()):
                raise ModelError(f"LEPTON_LOG_INPUTS has {part!r}, expected yes, no, hash, or hash:COLUMN,COLUMN")
            if colon:
                columns |= {name.strip(): way for name in names.split(",") if name.strip()}
            else:
                every = way
        return cls(every, columns)

    @property
    def is_all(self) -> bool:
        """Whether rows are logged as they are."""
        return self.every == "yes" and all(way == "yes" for way in self.columns.values())

    def check(self, model: str, names: Sequence[str]) -> None:
        """Refuse columns that a model does not have: a slip of the pen would leave the true one in the open.

        Raises:
            ModelError: one is unknown.
        """
        if unknown := sorted(set(self.columns) - set(names)):
            known = ", ".join(names[:20])
            raise ModelError(f"LEPTON_LOG_INPUTS names {unknown[0]!r}, but the columns of {model} are {known}")

    def with_salt(self, folder: Path | None) -> Kept:
        """The same with the salt of a log's folder, which is made when there is none."""
        if folder is None or self.is_all:
            return self
        path, temporary = folder / SALT_FILE, folder / f".{SALT_FILE}-{os.getpid()}"
        if not path.exists():
            number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(number, os.urandom(_SALT_BYTES))
            finally:
                os.close(number)
            # Whole or not at all, and the first one stays.
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
            temporary.unlink()
        salt = path.read_bytes()
        if len(salt) != _SALT_BYTES:
            raise ModelError(f"{path} is not a salt of {_SALT_BYTES} bytes; remove it, and hashes begin anew")
        return Kept(self.every, self.columns, salt)

    def way(self, name: str) -> str:
        """How a column is logged."""
        return self.columns.get(name, self.every)

    def shown(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What is logged of a row, and the columns whose values are not there as they were."""
        if self.is_all:
            return dict(row), []
        ways = {name: self.way(name) for name in row}
        shown = {
            name: value if ways[name] == "yes" else self.hashed(value)
            for name, value in row.items()
            if ways[name] != "no"
        }
        return shown, sorted(name for name, way in ways.items() if way != "yes")

    def hashed(self, value: Any) -> str | None:
        """A keyed hash of a value as the model sees it, hexadecimal; a missing value stays missing."""
        if isinstance(value, (str, bool)):
            value = plain_text(str(value))
        if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN alone differs from itself
            return None
        if isinstance(value, (int, float)):
            value = float(value)
        text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else orjson.dumps(value)
        return hmac.new(self.salt, text, hashlib.sha256).digest()[:_HASH_BYTES].hex()
