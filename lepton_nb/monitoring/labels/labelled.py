"""Predictions whose truth is known, with their inputs: what a model is retrained on and judged by."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import orjson

from ...records import Deployment
from ...workspace import Workspace
from ..places import folder_of, signature_of
from .finding import Predicted, predicted
from .joining import join
from .ledger import reading, truths_between
from .told import Told

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["labelled"]

_LAST_ID = "g"


def labelled(
    ws: Workspace,
    deployment: Deployment | str,
    since: float | None = None,
    until: float | None = None,
    told: float | None = None,
) -> pa.Table:
    """Predictions of a deployment whose label is known and whose row is still on the log.

    Of several labels for one prediction the one that was told last holds.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: only predictions of the last so many seconds; None begins with the first.
        until: only predictions that are older than so many seconds; None ends with the last.
        told: only those whose label was told at this moment, seconds since the epoch, or later; None wants all.

    Returns:
        A row per prediction, the oldest first: `id` (text), `time` (float64, when its request came, seconds since
        the epoch), `version` (text, the model that answered), `inputs` (text, a JSON object of the row as it was sent),
        `masked` (list of text, columns whose values are hashed or left out), `label` (text, the predicted class),
        `probabilities` (list of float64, in the order of that version's classes), `value` (float64, the predicted
        number of a model that tells no class; else null), `truth` (text, of a number as well) and `told` (float64, when
        the label was told, seconds since the epoch).

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: labels have a newer format than this version reads.
    """
    folder, now = folder_of(ws, str(deployment)), time.time()
    join(ws, folder, now)
    first = "" if since is None else _first_id(now - since)
    last = _LAST_ID if until is None else _first_id(now - until)
    known = reading(folder, lambda ledger: truths_between(folder, ledger.parts, first, last, told))
    signatures = functools.cache(functools.partial(signature_of, ws, folder))
    rows = sorted(predicted(folder, known, signatures), key=lambda row: (row.time, row.id))
    return _table([(row, known[row.id]) for row in rows])


def _first_id(moment: float) -> str:
    """What no id of that moment or later comes before."""
    text = f"{max(int(moment * 1e3), 0):012x}"
    return f"{text[:8]}-{text[8:]}"


def _table(rows: list[tuple[Predicted, Told]]) -> pa.Table:
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
            "value": pa.float64(),
            "truth": pa.string(),
            "told": pa.float64(),
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
        [row.value for row, _ in rows],
        [one.label for _, one in rows],
        [one.time for _, one in rows],
    ]
    return pa.table(columns, schema=schema)
