"""One request body in, one answer out, and its lines on the log."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson

from .answers import Answers, values_of
from .asking import INLINE_BYTES
from .batching import Batcher
from .errors import RequestError
from .finite import refuse_not_finite
from .formats import Signature, uuid7
from .model import Model
from .pictures import decoded, measured
from .predlog import PredictionLog, failure_line, prediction_lines
from .privacy import Kept
from .rows import arrays_of, decode_rows

__all__ = ["Arrival", "Engine", "Logging"]

_EVERYTHING = Kept()
# Tokenising takes a millisecond for some three thousand letters.
_INLINE_TEXT = 4 * 1024
# As JSON, a number takes ten times its size in memory.
_MOST_NUMBERS = 2**24
_PLAIN, _PLAIN_END = b'{"rows":[{', b"}]}"

_Arrays = Mapping[str, np.ndarray[Any, Any]]


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
class Logging:
    """Where answers are logged, and what of them.

    Args:
        log: one line per row.
        bulk: one record per bulk request.
        kept: what of the inputs.
        sample: share of the rows.
        durable: whether an answer waits for the disk.
    """

    log: PredictionLog
    bulk: PredictionLog
    kept: Kept = _EVERYTHING
    sample: float = 1.0
    durable: bool = False

    def draws(self, identifier: str) -> bool:
        """Whether what has this id is on the log: the same for all who ask."""
        return self.sample >= 1.0 or int(identifier[-8:], 16) < self.sample * 2**32


@dataclass(frozen=True)
class Engine:
    """Answers from one model and logs what it answered.

    Args:
        model: the loaded model.
        batcher: runs it for several requests at once.
        slot: the slot it stands in.
        version: `name:tag`.
        logging: where the answers are logged.
    """

    model: Model
    batcher: Batcher
    slot: str
    version: str
    logging: Logging

    @property
    def signature(self) -> Signature:
        """What the model takes and answers."""
        return self.model.signature

    async def reply(self, body: bytes, arrival: Arrival) -> tuple[bytes, list[dict[str, Any]]]:
        """The JSON answer to a JSON request, run together with others; its predictions are on the log.

        Args:
            body: `{"rows": [{column: value, ...}, ...]}`.
            arrival: when the request came.

        Returns:
            The answer, and the rows.

        Raises:
            RequestError: the body, a row or the model's answer cannot be used.
        """
        rows = decode_rows(body)
        inputs = arrays_of(rows, self.signature)
        found = await self.batcher.predict(inputs)
        return self._answered(rows, inputs, found, arrival, body), rows

    def answer(self, body: bytes, arrival: Arrival) -> tuple[bytes, list[dict[str, Any]]]:
        """As `reply`, in this thread and for this request alone."""
        rows = decode_rows(body)
        inputs = arrays_of(rows, self.signature)
        return self._answered(rows, inputs, self.model.predict(inputs), arrival, body), rows

    def _answered(
        self, rows: list[dict[str, Any]], inputs: _Arrays, found: Answers, arrival: Arrival, body: bytes
    ) -> bytes:
        answers = self.told(found, inputs)
        content = orjson.dumps({"version": self.version, "predictions": answers})
        self.record(rows, answers, arrival, written=_written(body, rows) if self.logging.kept.is_all else None)
        return content

    @cached_property
    def inline_bytes(self) -> int:
        """Bodies above this are worked on in a thread: a few bytes of a picture stand for many numbers."""
        if any(one.picture for one in self.signature.inputs):
            return 0
        return _INLINE_TEXT if any(one.kind == "text" for one in self.signature.inputs) else INLINE_BYTES

    async def picture(self, body: bytes, arrival: Arrival) -> tuple[bytes, list[dict[str, Any]]]:
        """The JSON answer to the bytes of one picture, and its row.

        Raises:
            RequestError: 415 when the model takes none, 422 when it cannot be read.
        """
        (one, *others) = self.signature.inputs
        if not one.picture or others:
            raise RequestError(415, "unsupported_type", "this model takes no pictures: send application/json")
        values, sides = await asyncio.to_thread(lambda: (decoded(body, one), measured(body)))
        inputs = {one.name: values[None]}
        answers = self.told(await self.batcher.predict(inputs), inputs)
        content = orjson.dumps({"version": self.version, "predictions": answers})
        rows = [{one.name: values.tolist()}]
        self.record(rows, answers, arrival, sides={} if sides is None else {one.name: sides})
        return content, rows

    def told(self, answers: Answers, inputs: _Arrays) -> list[dict[str, Any]]:
        """Id, label and probabilities of each row, or its id and its outputs.

        Raises:
            RequestError: a number is not finite, or there are too many for JSON.
        """
        count = answers.size if isinstance(answers, np.ndarray) else sum(one.size for one in answers.values())
        if count > _MOST_NUMBERS:
            text = f"the answer has {count:,} numbers, expected {_MOST_NUMBERS:,} at most in JSON: send fewer rows"
            raise RequestError(413, "too_large", text)
        refuse_not_finite(answers, inputs, self.signature)
        return [{"id": uuid7(), **one} for one in values_of(answers, self.signature)]

    def record(
        self,
        rows: Sequence[dict[str, Any]],
        answers: Sequence[dict[str, Any]],
        arrival: Arrival,
        *,
        written: bytes | None = None,
        sides: Mapping[str, tuple[int, int]] | None = None,
        shadow: bool = False,
    ) -> None:
        """Log answered rows."""
        logging = self.logging
        if logging.sample < 1.0:
            drawn = [place for place, answer in enumerate(answers) if logging.draws(answer["id"])]
            rows, answers = [rows[place] for place in drawn], [answers[place] for place in drawn]
        lines = prediction_lines(
            rows,
            answers,
            time=arrival.time,
            slot=self.slot,
            version=self.version,
            ms=round(arrival.ms, 4),
            kept=logging.kept,
            written=written,
            sides=sides,
            shadow=shadow,
        )
        if lines:
            logging.log.append(lines)

    def repeat(self, rows: list[dict[str, Any]], arrival: Arrival) -> None:
        """Answer rows that another model answered, for the log alone. A row that does not fit is left out."""
        with contextlib.suppress(Exception):
            inputs = arrays_of(rows, self.signature)
            self.record(rows, self.told(self.model.predict(inputs), inputs), arrival, shadow=True)

    def note(self, fault: RequestError, arrival: Arrival) -> None:
        """Log a request that failed."""
        identifier = uuid7()
        line = failure_line(
            fault,
            identifier=identifier,
            time=arrival.time,
            slot=self.slot,
            version=self.version,
            ms=round(arrival.ms, 4),
        )
        # Of the same share as what was answered: else every sample would be full of failures.
        if self.logging.draws(identifier):
            self.logging.log.append(line)


def _written(body: bytes, rows: Sequence[Any]) -> bytes | None:
    """The only row as it was sent, when it can be told for certain where it lies and it is one line.

    Without an escape nobody hides a second `rows` in the body, and one line stays one line.
    """
    plain = len(rows) == 1 and body.startswith(_PLAIN) and body.endswith(_PLAIN_END)
    if not plain or b"\\" in body or b"\n" in body or b"\r" in body or body.count(b'"rows"') != 1:
        return None
    # As many names as the row has: none stands there twice.
    if body.count(b'":') == 1 + len(rows[0]):
        return body[len(_PLAIN) - 1 : -len(_PLAIN_END) + 1]
    return None
