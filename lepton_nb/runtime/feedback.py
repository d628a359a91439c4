"""POST /feedback: what was right, told later.

One line of `feedback-<pid>-<seq>.jsonl` per label: `{"format": 1, "id": prediction id, "label": class or number,
"time": s}`; of several numbers an object of them by name, of labels a list of those that hold.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson
from starlette.types import Receive, Scope, Send

from .asking import INLINE_BYTES
from .engine import Arrival, Engine
from .errors import RequestError
from .formats import FORMAT, PREDICTION_ID
from .truths import Truths

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["Feedback"]


class Feedback:
    """Takes labels, one or many.

    Args:
        worker: what this worker holds.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 202 with how many labels were kept."""
        await self._worker.answered(scope, receive, send, ("application/json",), self._keep, status=202)

    async def _keep(self, engine: Engine, body: bytes, _: str, arrival: Arrival) -> tuple[bytes, bytes, Any]:
        standing = self._worker.started()[1]
        # Who answered is not known here: what any of those that stand can answer is a label.
        truths = Truths.of(one.signature for one in standing.engines.values())
        if not truths:
            text = "no label is taken: the model answers tensors, and neither a class nor a single number"
            raise RequestError(422, "invalid_body", text)
        labels = await asyncio.to_thread(_labels, body, truths) if len(body) > INLINE_BYTES else _labels(body, truths)
        now = time.time()
        lines = b"".join(
            orjson.dumps({"format": FORMAT, **one, "time": now}, option=orjson.OPT_APPEND_NEWLINE) for one in labels
        )
        if not self._worker.feedback.append(lines):
            raise RequestError(503, "log_failed", "the labels could not be kept; send them again later")
        return orjson.dumps({"accepted": len(labels)}), b"application/json", ()


def _labels(body: bytes, truths: Truths) -> list[dict[str, Any]]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as cause:
        raise RequestError(400, "invalid_json", f"the body is not JSON: {cause}") from None
    several = isinstance(value, dict) and value.keys() == {"feedback"} and isinstance(value["feedback"], list)
    items = value["feedback"] if several else [value]
    if not items:
        raise RequestError(422, "invalid_body", "feedback is empty, expected at least one label")
    for number, item in enumerate(items):
        if not isinstance(item, dict) or item.keys() != {"id", "label"}:
            raise RequestError(422, "invalid_body", 'expected {"id": prediction id, "label": class}', row=number)
        if not isinstance(item["id"], str) or not PREDICTION_ID.fullmatch(item["id"]):
            raise RequestError(422, "invalid_body", f"feedback {number}: id is not that of a prediction", row=number)
        if not truths.takes(item["label"]):
            raise RequestError(422, "invalid_body", f"feedback {number}: label is not {truths.expected}", row=number)
    return items
