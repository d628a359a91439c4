"""Every error the suite raises on purpose.

    LeptonError                 shell exit status 1
    ├── UsageError              a verb, an option or an argument is wrong (shell exit status 2)
    ├── NotFoundError           a run, data set, Bento, deployment, file or name does not exist
    ├── AmbiguousError          a reference fits more than one thing
    ├── ConflictError           something is in the way: a name or a port in use, a lock held
    ├── DataError               the data cannot be used as it is
    ├── FormatError             a file of ours is broken, or newer than this version reads
    ├── StorageError            a file or a folder cannot be read or written: rights, space, a file in the way
    ├── TrackingError           the tracking store refused or cannot be reached
    ├── TrainingError           the trainer could not start, or ended badly
    ├── PackagingError          the model could not become a package
    │   └── InexpressibleError      ONNX has no form for the network
    ├── ServingError            a server did not start, or a prediction was refused
    ├── PipelineError           a pipeline is wrong, or one of its steps failed
    ├── RuleError               a rule cannot be read, or not be decided with what is known
    ├── ReplayError                 a verb that starts or changes something, where a notebook is replayed
    └── MissingError            something that must be installed is not

A message is one line: what is wrong, what was expected, what came, and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "AmbiguousError",
    "ConflictError",
    "DataError",
    "FormatError",
    "InexpressibleError",
    "LeptonError",
    "MissingError",
    "NotFoundError",
    "PackagingError",
    "PipelineError",
    "ReplayError",
    "RuleError",
    "ServingError",
    "StorageError",
    "TrackingError",
    "TrainingError",
    "UsageError",
    "near",
]


def near(name: str, legal: Iterable[str]) -> str:
    """A hint for a message: `did you mean ...?`, or nothing when no legal name comes near.

    Example:
        >>> near("trian", ["ingest", "train"])
        "did you mean 'train'?"
    """
    close = difflib.get_close_matches(name, list(legal), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


class LeptonError(Exception):
    """An error with a message meant for the person at the keyboard.

    Args:
        what: the thing that is wrong, named.
        expected: what would have been right, with the legal values where they can be listed.
        got: what came instead.
        hint: the next step.

    Example:
        >>> str(LeptonError("column 'y' is missing", expected="one of a, b", hint="pass --target b"))
        "column 'y' is missing; expected one of a, b; next: pass --target b"
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", got: str = "", hint: str = "") -> None:
        self.what, self.expected, self.got, self.hint = what, expected, got, hint
        parts = [what]
        parts += [f"expected {expected}"] if expected else []
        parts += [f"got {got}"] if got else []
        parts += [f"next: {hint}"] if hint else []
        super().__init__(_one_line("; ".join(parts)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.expected, self.got, self.hint)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback: the one line a person needs."""
        return [f"{type(self).__name__}: {self}"]


def _rebuild(kind: type[LeptonError], what: str, expected: str, got: str, hint: str) -> LeptonError:
    return kind(what, expected=expected, got=got, hint=hint)


class UsageError(LeptonError):
    """A verb, an option or an argument is wrong."""

    exit_code = 2


class NotFoundError(LeptonError):
    """A run, data set, Bento, deployment, file or name does not exist."""


class AmbiguousError(LeptonError):
    """A reference fits more than one thing."""


class ConflictError(LeptonError):
    """Something is in the way: a name or a port in use, a lock held."""


class DataError(LeptonError):
    """The data cannot be used as it is."""


class FormatError(LeptonError):
    """A file of ours is broken, or newer than this version reads."""


class StorageError(LeptonError):
    """A file or a folder cannot be read or written: rights, space, a file in the way."""


class TrackingError(LeptonError):
    """The tracking store refused or cannot be reached."""


class TrainingError(LeptonError):
    """The trainer could not start, or ended badly."""


class PackagingError(LeptonError):
    """The model could not become a package."""


class InexpressibleError(PackagingError):
    """ONNX has no form for the network."""


class ServingError(LeptonError):
    """A server did not start, or a prediction was refused."""


class PipelineError(LeptonError):
    """A pipeline is wrong, or one of its steps failed."""


class RuleError(LeptonError):
    """A rule cannot be read, or not be decided with what is known."""


class ReplayError(LeptonError):
    """A verb that starts or changes something was called where a notebook is replayed."""


class MissingError(LeptonError):
    """Something that must be installed is not."""
