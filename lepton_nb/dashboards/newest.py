"""The last lines of a file that only grows."""

from __future__ import annotations

from pathlib import Path

__all__ = ["newest_lines"]

_BYTES = 256 * 1024


def newest_lines(path: Path) -> list[bytes]:
    """The lines of the last 256 KiB, of which the first may be cut and the last still be written; none of no file."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _BYTES))
            return stream.read().splitlines()
    except OSError:
        return []
