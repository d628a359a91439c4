"""The checkpoints of a run: known by their hash, the newest two are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import FormatError
from ..workspace import file_sha256, read_json, write_json

__all__ = ["Checkpoint", "checkpoint_folder", "enter", "good_checkpoint"]

_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A file with all that a training needs to go on.

    Args:
        file: its name.
        sha256: of its bytes, in hexadecimal.
        size: in bytes.
        epoch: the epoch it goes on in, counted from 0.
        batches: training batches that were done before it.
        exact: whether it stands at a batch; else at the start of an epoch, since the loaders cannot go on within one.
        fault: what is wrong with the file, found when it was looked at.
    """

    file: str
    sha256: str
    size: int
    epoch: int
    batches: int
    exact: bool
    fault: str = ""


def checkpoint_folder(folder: Path) -> Path:
    """Where the checkpoints of a run's folder lie."""
    return folder / "checkpoints"


def enter(folder: Path, made: Checkpoint) -> None:
    """Make a checkpoint that lies there the newest one, and remove those that are not kept.

    Args:
        folder: the run's folder.
        made: the checkpoint.
    """
    place = checkpoint_folder(folder)
    # What lies ahead is of a time before the run went on from here, and broken where it could have been taken.
    known = [one for one in _entered(folder) if one.batches < made.batches][-(_KEPT - 1) :]
    kept = [*known, made]
    write_json(place / "index.json", {"checkpoints": [asdict(one) for one in kept]}, mode=0o600)
    names = {one.file for one in kept}
    for path in place.glob("*.ckpt*"):
        if path.name not in names:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def good_checkpoint(folder: Path) -> tuple[Checkpoint | None, Sequence[Checkpoint]]:
    """The newest checkpoint whose bytes are those that were written.

    Args:
        folder: the run's folder.

    Returns:
        The checkpoint, or None when there is none; and the newer ones that are broken.
    """
    broken: list[Checkpoint] = []
    for one in reversed(_entered(folder)):
        path = checkpoint_folder(folder) / one.file
        if not path.is_file():
            broken.append(replace(one, fault="gone"))
        elif path.stat().st_size != one.size:
            broken.append(replace(one, fault=f"{path.stat().st_size} bytes long and not {one.size}"))
        elif file_sha256(path) != one.sha256:
            broken.append(replace(one, fault="of another hash"))
        else:
            return one, broken
    return None, broken


def _entered(folder: Path) -> list[Checkpoint]:
    path = checkpoint_folder(folder) / "index.json"
    try:
        return [Checkpoint(**one) for one in read_json(path)["checkpoints"]]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, FormatError):
        # Nobody knows any more which files are whole. They are not taken, and the run starts from its beginning.
        return []
