"""`lepton predict`: ask a deployment, or a Bento without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..errors import NotFoundError, UsageError
from ..records import Bento, Deployment, Predictions, Scored
from ..runtime import CHAMPION, read_signature, read_slots
from ..workspace import Workspace, current
from .declare import Arg, Opt
from .find import bento_of, named, rows_of
from .host import current_host
from .refusals import require_writable

_MODEL = Arg("a deployment (asked over HTTP), or a Bento's tag (no server needed).", "MODEL", completes="model")


def predict(
    model: Annotated[object, _MODEL],
    *,
    data: Annotated[object, Opt("File, DataFrame, arrays, data handle, or a text.", "DATA", completes="data")],
    part: Annotated[Literal["test", "validation", "train"], Opt("Which rows of a data handle.")] = "test",
    out: Annotated[Path | None, Opt("Write the answers to this .csv or .parquet file, or folder of them.")] = None,
    on: Annotated[Literal["here", "ray"], Opt("Where a Bento answers files.")] = "here",
) -> Predictions | Scored:
    """Predict with a deployment over HTTP, or with a Bento on a file.

    A Bento answers a .parquet file, or a folder of them, bit by bit when --out says where to: the rows need not fit
    into the memory.

    Returns:
        One answer per row, in order; of .parquet files with --out what was written.
    """
    from .. import serving

    if (files := _files(data, out)) is not None and isinstance(bento := _model_of(current(), model), Bento):
        return serving.score(bento, *files, on=None if on == "here" else on, report=current_host().report)
    if on != "here":
        raise UsageError(f"--on {on} answers files", expected="a Bento, --data with .parquet files, and --out")
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


def _files(data: object, out: Path | None) -> tuple[Path, Path] | None:
    """The .parquet files to read and to write, where these were named."""
    if out is None or not isinstance(data, (str, Path)):
        return None
    source = Path(data).expanduser()
    parquet = source.suffix.lower() == ".parquet" and out.suffix.lower() == ".parquet"
    if not parquet and not (source.is_dir() and any(source.glob("*.parquet"))):
        return None
    return source, out


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
