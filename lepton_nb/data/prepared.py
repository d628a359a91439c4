"""What a network sees of a data set, written down once for several trainings on it.

Rows as a network sees them hang on the installed libraries, so they are never kept: whoever starts the trainings
writes them, and removes them when these have ended.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from ..records import Data
from ..workspace import read_json, replacing, write_json
from .preprocessing import features

__all__ = ["given", "prepare"]

_ABOUT = "prepared.json"
_PARTS = ("train", "validation")
# More would fill disks, and takes far longer to learn from than to prepare.
_MOST = 256 << 20


def prepare(data: Data, folder: Path) -> bool:
    """Write the training and the validation part as `features` gives them.

    Args:
        data: a loaded data set.
        folder: where, which is made (mode 0700); what `given` finds there is replaced.

    Returns:
        Whether they were written: not where rows are streamed, or are more than 256 MiB as a network sees them.

    Raises:
        FormatError: a file of the data set is missing or broken.
        OSError: there is no room.
    """
    rows = sum(data.rows.get(part, 0) for part in _PARTS)
    # Tokens are whole numbers of eight bytes, and so are classes; others are of four.
    if data.streamed or rows * (math.prod(data.feature_shape) * (8 if data.kind == "text" else 4) + 8) > _MOST:
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / _ABOUT).unlink(missing_ok=True)
    try:
        for part in _PARTS:
            if data.rows.get(part):
                for path, array in zip(_paths(folder, part), features(data, part), strict=True):
                    with replacing(path, mode=0o600) as new, new.open("wb") as stream:
                        np.save(stream, array, allow_pickle=False)
        write_json(folder / _ABOUT, {"format": 1, "data": data.id}, mode=0o600)
    except BaseException:
        # A disk that is full by them has room again.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return True


def given(data: Data, part: str, folder: Path | None) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """What `features` gives, where it was prepared.

    Args:
        data: a loaded data set.
        part: `train`, `validation` or `test`.
        folder: of `prepare`.

    Returns:
        Arrays that lie in the file until they are changed, which changes no file; None where there are none, or none
        of this data set.
    """
    if folder is None:
        return None
    try:
        if read_json(folder / _ABOUT).get("data") != data.id:
            return None
        # The file's pages are those of all who read it.
        values, targets = (np.load(path, mmap_mode="c", allow_pickle=False) for path in _paths(folder, part))
    except (OSError, ValueError, EOFError, FormatError):
        return None
    rows = data.rows.get(part, 0)
    return (values.view(np.ndarray), targets.view(np.ndarray)) if len(values) == len(targets) == rows else None


def _paths(folder: Path, part: str) -> tuple[Path, Path]:
    return folder / f"{part}-features.npy", folder / f"{part}-targets.npy"
