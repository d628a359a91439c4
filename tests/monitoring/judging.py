"""Predictions whose ids are kept, and labels for them, written by the runtime's own writers."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
import orjson

from lepton_nb.runtime import CHAMPION, uuid7
from lepton_nb.runtime.predlog import PredictionLog, prediction_lines


def uuid_at(moment: float) -> str:
    """An id as one made then."""
    text = f"{int(moment * 1000):012x}"
    return f"{text[:8]}-{text[8:]}{uuid7()[13:]}"


def predict(one: Any, rows: list[dict[str, Any]], p_yes: Any, *, at: float | None = None, **more: Any) -> list[str]:
    """Log one request of a deployment whose classes are no and yes; returns the ids of its rows."""
    moment = time.time() if at is None else at
    answers = [
        {"id": uuid_at(moment), "label": "yes" if p > 0.5 else "no", "probabilities": [1 - p, p]}
        for p in np.asarray(p_yes, dtype=float).tolist()
    ]
    slot, version = more.pop("slot", CHAMPION), more.pop("version", one.version)
    one.log.append(prediction_lines(rows, answers, time=moment, slot=slot, version=version, ms=2.0, **more))
    return [answer["id"] for answer in answers]


def tell(one: Any, labels: Any, *, at: float | None = None) -> None:
    """Write labels as the server writes them: pairs of id and class."""
    log = PredictionLog(one.folder, name="feedback")
    moment = time.time() if at is None else at
    for identifier, label in labels:
        line = {"format": 1, "id": identifier, "label": label, "time": moment}
        log.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    log.close()


def bulk_record(one: Any, table: Any, p_yes: Any, *, at: float | None = None) -> list[str]:
    """Log one bulk request of Arrow columns."""
    import pyarrow as pa

    from lepton_nb.runtime.bulk import _record
    from lepton_nb.runtime.columns import ARROW
    from lepton_nb.runtime.columns_out import Texts, arrow_answer

    moment = time.time() if at is None else at
    whole, yes = uuid_at(moment), np.asarray(p_yes, dtype=np.float32)
    ids = [f"{whole}.{row}" for row in range(len(yes))]
    answer = arrow_answer(
        Texts.of(ids), Texts.of(["yes" if p > 0.5 else "no" for p in yes]), np.stack([1 - yes, yes], axis=1)
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    head = {
        "format": 1,
        "id": whole,
        "time": moment,
        "slot": CHAMPION,
        "version": one.version,
        "latency_ms": 3.0,
        "rows": len(yes),
        "kind": ARROW,
        "masked": [],
    }
    log = PredictionLog(one.folder, name="bulk", suffix="records")
    log.append(_record(json.dumps(head).encode(), sink.getvalue(), answer))
    log.close()
    return ids
