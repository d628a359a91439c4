"""Which of the processes that train together failed, and why: when one ends, the others fail as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ... import errors
from ...errors import LeptonError, TrainingError
from ...records import printable
from ...workspace import mask, read_json, write_json

__all__ = ["Failure", "first_failure", "forget_failures", "is_of_another", "tell_failure"]

# What gloo, NCCL and torch say to a process whose partner is gone.
_WORDS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe", "tcpstore")


@dataclass(frozen=True)
class Failure:
    """Why a process failed.

    Args:
        rank: its number.
        kind: name of the error's class.
        text: the error in one line.
    """

    rank: int
    kind: str
    text: str

    def error(self) -> LeptonError:
        """The error that says it; of our own class where it was one."""
        kind = getattr(errors, self.kind, None)
        if isinstance(kind, type) and issubclass(kind, LeptonError):
            return kind(self.text)
        return TrainingError(f"rank {self.rank} failed", got=f"{self.kind}: {self.text}")


def is_of_another(cause: BaseException) -> bool:
    """Whether an error only says that another process is gone.

    Example:
        >>> is_of_another(RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer"))
        True
    """
    if isinstance(cause, LeptonError):
        return False
    kinds = {base.__name__ for base in type(cause).__mro__}
    text = str(cause).lower()
    return "DistError" in kinds or (isinstance(cause, (RuntimeError, OSError)) and any(word in text for word in _WORDS))


def tell_failure(folder: Path, rank: int, cause: BaseException) -> None:
    """Keep why a process failed, where it is its own failure.

    Args:
        folder: the run's folder.
        rank: number of the process.
        cause: what it failed with.
    """
    if is_of_another(cause):
        return
    place = _place(folder)
    place.mkdir(mode=0o700, exist_ok=True)
    text = mask(printable(str(cause))[:500])
    write_json(place / f"{rank}.json", {"rank": rank, "kind": type(cause).__name__, "text": text}, mode=0o600)


def first_failure(folder: Path) -> Failure | None:
    """The failure that was told first; None when there was none."""
    told = sorted(_place(folder).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not told:
        return None
    body = read_json(told[0])
    return Failure(int(body["rank"]), str(body["kind"]), str(body["text"]))


def forget_failures(folder: Path) -> None:
    """Begin anew."""
    for path in _place(folder).glob("*.json"):
        path.unlink(missing_ok=True)


def _place(folder: Path) -> Path:
    return folder / "failures"
