"""Predictions whose truth is known, with their inputs: what a model is retrained on and judged by."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import orjson

from ...records import Deployment
from ...runtime import ModelError, Signature, read_signature
from ...workspace import Workspace
from ..windows import folder_of, model_folder
from .finding import Predicted, moment_of, predicted
from .told import FEEDBACK, told

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["labelled", "signature_of"]


def labelled(
    ws: Workspace, deployment: Deployment | str, since: float | None = None, until: float | None = None
) -> pa.Table:
    """Predictions of a deployment whose label is known and whose row is still on the log.

    Of several labels for one prediction the one that was told last holds.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: only predictions of the last so many seconds; None begins with the first.
        until: only predictions that are older than so many seconds; None ends with the last.

    Returns:
        A row per prediction, the oldest first: `id` (text), `time` (float64, when its request came, seconds since
        the epoch), `version` (text, the model that answered), `inputs` (text, a JSON object of the row as it was sent),
        `masked` (list of text, columns whose values are hashed or left out), `label` (text, the predicted class),
        `probabilities` (list of float64, in the order of that version's classes) and `truth` (text).

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: labels have a newer format than this version reads.
    """
    folder, now = folder_of(ws, str(deployment)), time.time()
    first = -1.0 if since is None else now - since
    last = float("inf") if until is None else now - until
    known: dict[str, tuple[float, str]] = {}
    for path in sorted(folder.glob(FEEDBACK)):
        for one in told(path)[0]:
            if first <= moment_of(one.id) <= last and one.time >= known.get(one.id, (0.0, ""))[0]:
                known[one.id] = (one.time, one.label)
    rows = sorted(
        predicted(folder, known, functools.partial(signature_of, ws, folder)), key=lambda row: (row.time, row.id)
    )
    return _table([(row, known[row.id][1]) for row in rows])


def signature_of(ws: Workspace, folder: Path, version: str) -> Signature | None:
    """What a version takes and answers; None when its model is gone."""
    path = model_folder(ws, folder, version)
    try:
        return None if path is None else read_signature(path)
    except ModelError:
        return None


def _table(rows: list[tuple[Predicted, str]]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema(
        {
            "id": pa.string(),
            "time": pa.float64(),
            "version": pa.string(),
            "inputs": pa.string(),
            "masked": pa.list_(pa.string()),
            "label": pa.string(),
            "probabilities": pa.list_(pa.float64()),
            "truth": pa.string(),
        }
    )
    columns = [
        [row.id for row, _ in rows],
        [row.time for row, _ in rows],
        [row.version for row, _ in rows],
        [orjson.dumps(row.inputs).decode() for row, _ in rows],
        [list(row.masked) for row, _ in rows],
        [row.label for row, _ in rows],
        [list(row.probabilities) for row, _ in rows],
        [truth for _, truth in rows],
    ]
    return pa.table(columns, schema=schema)
