"""`lepton export`: a run's network in other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

from ..records import Exports
from ..workspace import current
from .declare import Arg, Opt
from .find import run_of
from .refusals import require_writable


def export(
    run: Annotated[object, Arg("id, unique prefix, name or last.", "[RUN]", completes="run")] = "last",
    *,
    to: Annotated[
        tuple[str, ...],
        Opt("onnx, onnx-int8, pt2 or executorch; several by commas.", "FORMAT", completes="format"),
    ],
    out: Annotated[Path | None, Opt("File to write, or a folder (default: here, named after the run).", "PATH")] = None,
    force: Annotated[bool, Opt("Replace a file that is there.")] = False,
) -> Exports:
    """Write a run's network in other formats, with what each costs: size, time, differences, accuracy."""
    from .. import artifact, packaging

    # A notebook may well say to="onnx", whose letters are no formats.
    words = (str(to),) if isinstance(cast("object", to), str) else to
    formats = [name.strip() for word in words for name in word.split(",") if name.strip()]
    ws = current()
    found = run_of(ws, run)
    # A file that cannot be written is refused before minutes of work for it; a folder's files stand in it.
    target = None if out is None else Path(out)
    require_writable(Path("file") if target is None else target / "file" if target.is_dir() else target)
    examples = artifact.examples_of(found)
    data = artifact.data_of(ws, found) if examples is None else examples
    return packaging.export(ws, found, data, formats, out=target, force=force)
