"""`lepton predict`: ask a deployment, or a Bento without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..errors import NotFoundError, UsageError
from ..records import Bento, Deployment, Predictions
from ..runtime import CHAMPION, read_signature, read_slots
from ..workspace import Workspace, current
from .declare import Arg, Opt
from .find import bento_of, named, rows_of
from .refusals import require_writable

_MODEL = Arg("a deployment (asked over HTTP), or a Bento's tag (no server needed).", "MODEL", completes="model")


def predict(
    model: Annotated[object, _MODEL],
    *,
    data: Annotated[object, Opt("File, DataFrame, arrays or data handle.", "DATA", completes="data")],
    part: Annotated[Literal["test", "validation", "train"], Opt("Which rows of a data handle.")] = "test",
    out: Annotated[Path | None, Opt("Write the answers to this .csv or .parquet file.")] = None,
) -> Predictions:
    """Predict with a deployment over HTTP, or with a Bento on a file.

    Returns:
        One answer per row, in order.
    """
    from .. import serving

    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"--out {out} has an unknown kind", expected="a name that ends in .csv or .parquet")
    if out is not None:
        require_writable(out)
    ws = current()
    asked = _model_of(ws, model)
    if isinstance(asked, Deployment):
        folder = read_slots(asked.path / "slots.json")[CHAMPION].path
        answers = serving.predict(ws, asked, rows_of(ws, data, part, read_signature(folder).inputs))
    else:
        answers = serving.predict_bento(asked, rows_of(ws, data, part, read_signature(asked.model).inputs))
    if out is not None:
        _write(answers, out)
    return answers


def _model_of(ws: Workspace, value: object) -> Deployment | Bento:
    from .. import serving

    value = named(value, Deployment, Bento)
    if isinstance(value, (Deployment, Bento)):
        return value
    text = str(value)
    if ":" not in text:
        try:
            return serving.get(ws, text)
        except NotFoundError as missing:
            try:
                return bento_of(ws, text)
            except NotFoundError:
                raise missing from None
    return bento_of(ws, text)


def _write(answers: Predictions, out: Path) -> None:
    from ..workspace import write_atomic

    frame = answers.frame()
    write_atomic(out, frame.to_csv(index=False) if out.suffix.lower() == ".csv" else frame.to_parquet())
