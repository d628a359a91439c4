"""From a run to files of other formats, each measured before it is written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...artifact.building import weights_of
from ...errors import ConflictError, DataError, UsageError, near
from ...models import Examples
from ...records import Data, Export, Exports, Run
from ...workspace import Workspace, write_atomic
from .formats import FORMATS, Made, Subject, exporter

__all__ = ["export"]


def export(
    ws: Workspace,
    run: Run,
    data: Data | Examples,
    formats: Sequence[str],
    *,
    out: Path | None = None,
    force: bool = False,
) -> Exports:
    """Write a run's network in other formats, and measure each on the test part.

    One on loaders of a notebook's own is measured on the rows that were kept of its validation.

    Args:
        ws: the workspace.
        run: a run that ended with weights.
        data: the data it was trained on, or what was kept of its loaders.
        formats: one or more of `FORMATS`.
        out: the file; a folder when there are several formats or when it is one already. Default: the current
            folder, with files named after the run.
        force: whether files that are there are replaced.

    Returns:
        The files, in the order of `formats`: size, latency, largest difference to the network and accuracy lost.

    Raises:
        UsageError: a format is unknown, or none is named.
        ConflictError: a file is there, and `force` is not set.
        MissingError: a format needs a library that is not installed.
        DataError: the data has no test rows.
        PackagingError: the run still trains or has no weights, or a format cannot express the network. No file is
            written then.
    """
    chosen = _checked(formats)
    places = _places(run, chosen, out)
    _check_free(places, force=force)
    makers = {name: exporter(name) for name in chosen}
    for maker in makers.values():
        maker.require()
    if isinstance(data, Data) and not data.rows.get("test"):
        raise DataError(f"data {data.name} has no test rows", expected="rows that an export can be measured on")
    weights_of(run)
    subject = Subject(ws, run, data)
    made = {name: maker.make(subject) for name, maker in makers.items()}
    measured = _measured(subject, made, places)
    # Once more, now that minutes may have passed; what was made is kept in memory until then.
    _check_free(places, force=force)
    for name, one in made.items():
        write_atomic(places[name], one.content)
    return measured


def _checked(formats: Sequence[str]) -> tuple[str, ...]:
    legal = ", ".join(FORMATS)
    if not formats:
        raise UsageError("no format is named", expected=f"one or more of {legal}", hint="lepton export RUN --to onnx")
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"format {name!r} is unknown", expected=f"one of {legal}", hint=near(name, FORMATS))
    return tuple(dict.fromkeys(formats))


def _places(run: Run, formats: Sequence[str], out: Path | None) -> dict[str, Path]:
    """Where each file goes."""
    if out is not None and len(formats) == 1 and not out.is_dir():
        return {formats[0]: out}
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(
            f"{out} is a file, but {len(formats)} formats were asked for", expected="a folder for their files"
        )
    name = re.sub(r"[^\w.-]+", "-", run.name).strip("-.") or run.id[:8]
    return {one: (out or Path()) / f"{name}{FORMATS[one]}" for one in formats}


def _check_free(places: Mapping[str, Path], *, force: bool) -> None:
    for path in places.values():
        if path.is_dir():
            raise ConflictError(f"{path} is a folder", expected="a file, or nothing", hint="choose another with --out")
        if not force and (path.exists() or path.is_symlink()):
            raise ConflictError(f"{path} is there already", hint="--force replaces it; --out writes to another place")


def _measured(subject: Subject, made: Mapping[str, Made], places: Mapping[str, Path]) -> Exports:
    from .measuring import yardstick_of

    run, yardstick = subject.run, yardstick_of(subject)
    files = []
    for name, one in made.items():
        found = yardstick.found(one)
        files.append(
            Export(
                format=name,
                path=places[name],
                size_bytes=len(one.content),
                sha256=hashlib.sha256(one.content).hexdigest(),
                latency_p50_ms=found.p50_ms,
                latency_p95_ms=found.p95_ms,
                difference=found.difference,
                accuracy=found.accuracy,
                accuracy_lost=_less(yardstick.accuracy, found.accuracy),
                note=one.note,
                error=found.error,
                error_added=_less(found.error, yardstick.error),
            )
        )
    return Exports(
        run.id,
        run.name,
        yardstick.rows,
        yardstick.accuracy,
        tuple(files),
        part=yardstick.part,
        measure=yardstick.measure,
        error=yardstick.error,
    )


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
