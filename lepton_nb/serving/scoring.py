"""Files of rows in, files of answers out: no server, here or on a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..errors import DataError, NotFoundError, UsageError
from ..records import Bento, Progress, Report, Scored, silent
from .answering import score_file
from .scoring_on_ray import spread

__all__ = ["files_of", "score"]


def files_of(source: Path, out: Path) -> list[tuple[Path, Path]]:
    """Which file is answered into which.

    Args:
        source: a .parquet file, or a folder of them.
        out: a .parquet file, or a folder when `source` is one.

    Raises:
        NotFoundError: there is no such file, or no .parquet file in the folder.
        UsageError: a folder shall be answered into a file.
    """
    if out.resolve() == source.resolve():
        raise UsageError(f"--out {out} is what is read", expected="another place: the rows would be lost")
    if source.is_dir():
        if out.suffix:
            raise UsageError(f"--out {out} is a file", expected=f"a folder, for the files of {source}")
        found = sorted(source.glob("*.parquet"))
        if not found:
            raise NotFoundError(f"{source} has no .parquet file")
        return [(path, out / path.name) for path in found]
    if not source.is_file():
        raise NotFoundError(f"{source} does not exist", expected="a .parquet file, or a folder of them")
    return [(source, out)]


def score(bento: Bento, source: Path, out: Path, *, on: str | None = None, report: Report = silent) -> Scored:
    """Answer every row of .parquet files.

    Columns that the model does not take are left aside. The answers have the columns `label` and one per class, in the
    order of the rows. A file is there when it is whole.

    Args:
        bento: what answers.
        source: a .parquet file, or a folder of them.
        out: a .parquet file, or a folder.
        on: `ray` to spread the files over the cluster of RAY_ADDRESS, or over this machine; None for this process.
        report: hears how far it is.

    Returns:
        What was written.

    Raises:
        NotFoundError, UsageError: as `files_of`.
        DataError: a row does not fit; the message names file, row and column.
        ServingError: the Bento's model cannot be loaded, or fails.
    """
    files = files_of(source, out)
    for _, target in files:
        target.parent.mkdir(parents=True, exist_ok=True)
    total, done = sum(_rows(path) for path, _ in files), 0
    began = time.monotonic()

    def tell(rows: int, path: Path) -> None:
        nonlocal done
        done += rows
        report(Progress(time.time(), done, total, f"rows of {path.name}"))

    report(Progress(time.time(), 0, total, f"rows of {files[0][0].name}"))
    if on == "ray":
        spread(bento, files, tell)
    else:
        for path, target in files:
            score_file(bento.tag, bento.model, path, target, partial(_told, tell, path))
    return Scored(bento.tag, total, tuple(target for _, target in files), time.monotonic() - began)


def _told(tell: Callable[[int, Path], None], path: Path, rows: int) -> None:
    tell(rows, path)


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError) as cause:
        raise DataError(f"{path} is not a .parquet file", got=" ".join(str(cause).split())[:200]) from cause
