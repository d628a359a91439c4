"""One request body in, one answer out, and its lines on the log."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import orjson

from .errors import RequestError
from .finite import refuse_not_finite
from .formats import uuid7
from .model import Model
from .predlog import PredictionLog, failure_line, prediction_lines
from .rows import arrays_of, decode_rows

__all__ = ["Arrival", "Engine"]


@dataclass(frozen=True)
class Arrival:
    """When a request came.

    Args:
        time: seconds since the epoch.
        clock: reading of the performance counter, in seconds.
    """

    time: float
    clock: float

    @classmethod
    def now(cls) -> Arrival:
        """This moment."""
        return cls(time.time(), time.perf_counter())

    @property
    def ms(self) -> float:
        """Milliseconds since then."""
        return (time.perf_counter() - self.clock) * 1e3


@dataclass(frozen=True)
class Engine:
    """Answers from one model and logs what it answered.

    Args:
        model: the loaded model.
        slot: the slot it stands in.
        version: `name:tag`.
        log: the worker's prediction log.
    """

    model: Model
    slot: str
    version: str
    log: PredictionLog

    def answer(self, body: bytes, arrival: Arrival) -> bytes:
        """The JSON answer to a JSON request; its predictions are on the log when this returns.

        Args:
            body: `{"rows": [{column: value, ...}, ...]}`.
            arrival: when the request came.

        Raises:
            RequestError: the body, a row or the model's answer cannot be used, or the log cannot be written.
        """
        rows = decode_rows(body)
        signature = self.model.signature
        inputs = arrays_of(rows, signature)
        probabilities = self.model.predict(inputs)
        refuse_not_finite(probabilities, inputs, signature)
        best = probabilities.argmax(1).tolist()
        answers = [
            {"id": uuid7(), "label": signature.classes[index], "probabilities": row}
            for index, row in zip(best, probabilities.tolist(), strict=True)
        ]
        content = orjson.dumps({"version": self.version, "predictions": answers})
        lines = prediction_lines(
            rows, answers, time=arrival.time, slot=self.slot, version=self.version, ms=round(arrival.ms, 4)
        )
        self.log.append(lines)
        return content

    def note(self, fault: RequestError, arrival: Arrival) -> None:
        """Log a request that failed. A log that cannot be written does not hide the fault."""
        line = failure_line(
            fault,
            identifier=uuid7(),
            time=arrival.time,
            slot=self.slot,
            version=self.version,
            ms=round(arrival.ms, 4),
        )
        with contextlib.suppress(RequestError):
            self.log.append(line)
