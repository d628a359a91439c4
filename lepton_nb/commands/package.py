"""`lepton package`: a run becomes a Bento, and a file of one, and such a file a Bento again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from ..records import Bento, Note
from ..workspace import current
from .declare import Arg, Opt
from .evaluate import evaluate
from .find import run_of
from .host import current_host
from .refusals import require_writable


def package(
    run: Annotated[object, Arg("id, unique prefix, name or last.", "[RUN]", completes="run")] = "last",
    *,
    name: Annotated[str | None, Opt("Name of the Bento (default: the run's).")] = None,
    out: Annotated[Path | None, Opt("Write the Bento into this file, too, for lepton package import.", "FILE")] = None,
) -> Bento:
    """Turn a run into a Bento that serves without torch and without this package.

    A run that was not evaluated yet is evaluated first, so that its card travels with the model.
    """
    from .. import artifact, packaging

    if out is not None:
        require_writable(out := Path(out))
    ws = current()
    found = run_of(ws, run)
    if not (found.path / "artifact" / "card.json").is_file():
        evaluate(found)
    bento = packaging.package(ws, found, artifact.data_of(ws, found), name=name)
    if out is not None:
        packaging.write_archive(bento, out)
        current_host().report(Note(time.time(), f"{bento.tag} is in {out.absolute()} ({out.stat().st_size:,} bytes)"))
    return bento


def package_import(
    file: Annotated[Path, Arg("what lepton package --out made.", "FILE")],
    *,
    name: Annotated[str | None, Opt("Name of the Bento (default: the one it was packaged under).")] = None,
) -> Bento:
    """Take a package from a file into this store, when its hashes are right and it answers its golden batch.

    Nothing in the file is unpickled, and no code in it is run: the model is served by this installation's own runtime.
    """
    from .. import packaging

    return packaging.import_package(current(), Path(file), name=name)
