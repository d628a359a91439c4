"""`lepton package`: a run becomes a Bento."""

from __future__ import annotations

from typing import Annotated

from ..records import Bento
from ..workspace import current
from .declare import Arg, Opt
from .evaluate import evaluate
from .find import run_of


def package(
    run: Annotated[object, Arg("id, unique prefix, name or last.", "[RUN]", completes="run")] = "last",
    *,
    name: Annotated[str | None, Opt("Name of the Bento (default: the run's).")] = None,
) -> Bento:
    """Turn a run into a Bento that serves without torch and without this package.

    A run that was not evaluated yet is evaluated first, so that its card travels with the model.
    """
    from .. import artifact, packaging

    ws = current()
    found = run_of(ws, run)
    if not (found.path / "artifact" / "card.json").is_file():
        evaluate(found)
    return packaging.package(ws, found, artifact.data_of(ws, found), name=name)
