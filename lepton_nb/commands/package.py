"""`lepton package`: a run becomes a Bento, and a file of one, and such a file a Bento again."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated

from ..errors import InexpressibleError
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
    allow_code: Annotated[bool, Opt("Ship a network that ONNX cannot express as source and weights.")] = False,
    out: Annotated[Path | None, Opt("Write the Bento into this file, too, for lepton package import.", "FILE")] = None,
) -> Bento:
    """Turn a run into a Bento that serves without torch and without this package.

    A run that was not evaluated yet is evaluated first, so that its card travels with the model. With --allow-code, a
    network that ONNX has no form for is shipped as Python source with its weights: such a Bento is loaded by
    lepton_nb.load_model, not served, and whoever imports it must allow the code too.
    """
    from .. import artifact, packaging

    if out is not None:
        require_writable(out := Path(out))
    ws = current()
    found = run_of(ws, run)
    if not (found.path / "artifact" / "card.json").is_file():
        # A network that is shipped as source gets its card where it is packaged.
        with contextlib.suppress(InexpressibleError):
            evaluate(found)
    bento = packaging.package(ws, found, artifact.data_of(ws, found), name=name, allow_code=allow_code)
    if out is not None:
        packaging.write_archive(bento, out)
        current_host().report(Note(time.time(), f"{bento.tag} is in {out.absolute()} ({out.stat().st_size:,} bytes)"))
    return bento


def package_import(
    file: Annotated[Path, Arg("what lepton package --out made.", "FILE")],
    *,
    name: Annotated[str | None, Opt("Name of the Bento (default: the one it was packaged under).")] = None,
    allow_code: Annotated[bool, Opt("Run and keep the source of a network that is shipped as such.")] = False,
) -> Bento:
    """Take a package from a file into this store, when its hashes are right and it answers its golden batch.

    Nothing in the file is unpickled, and without --allow-code nothing in it is run: the model is served by this
    installation's own runtime.
    """
    from .. import packaging

    return packaging.import_package(current(), Path(file), name=name, allow_code=allow_code)
