"""An exported file against the network it was made of: its answers and its time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import features, read
from ...records import Data
from .formats import Made

__all__ = ["Found", "Yardstick"]

_WARM_UP, _TIMED = 50, 400
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Found:
    """What was measured of one file; the names are those of `Export`."""

    p50_ms: float
    p95_ms: float
    difference: float
    accuracy: float


class Yardstick:
    """One part of a data set, and what the trained network says of it.

    Args:
        data: the run's data.
        expected: probabilities of the trained network on that part, [N, C].
        part: `test`, or `validation` where a choice is made before the test.
    """

    def __init__(self, data: Data, expected: NDArray[np.float64], part: str = "test") -> None:
        self.data, self.part, self.expected = data, part, expected
        self._raw, self.targets = read(data, part)
        self.accuracy = self._accuracy(expected)

    def measure(self, made: Made) -> Found:
        """Every row in batches for the answers, single rows for the time."""
        answers = self.answers(made)
        p50, p95 = np.percentile(_latencies_ms(made, self._inputs(made)), [50, 95])
        difference = np.abs(answers - self.expected).max(initial=0.0)
        return Found(float(p50), float(p95), float(difference), self._accuracy(answers))

    def lost(self, made: Made) -> float:
        """The share of rows by which a file is less often right than the network is."""
        return self.accuracy - self._accuracy(self.answers(made))

    def answers(self, made: Made) -> NDArray[np.float64]:
        """What a file says of every row, [N, C]."""
        inputs, count = self._inputs(made), len(self.targets)
        parts = [
            made.predict({name: values[start : start + _ROWS_AT_ONCE] for name, values in inputs.items()})
            for start in range(0, count, _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts).astype(np.float64)

    def _inputs(self, made: Made) -> Mapping[str, NDArray[Any]]:
        return {"features": features(self.data, self.part)[0]} if made.prepared else self._raw

    def _accuracy(self, probabilities: NDArray[np.float64]) -> float:
        return float((probabilities.argmax(axis=1) == self.targets).mean())


def _latencies_ms(made: Made, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Milliseconds per prediction of a single row, after a warm-up; rows are taken in turn."""
    count = min(len(next(iter(inputs.values()))), _TIMED)
    rows = [{name: values[place : place + 1] for name, values in inputs.items()} for place in range(count)]
    spent = np.empty(_WARM_UP + _TIMED)
    for turn in range(len(spent)):
        row = rows[turn % count]
        began = time.perf_counter_ns()
        made.predict(row)
        spent[turn] = (time.perf_counter_ns() - began) / 1e6
    return spent[_WARM_UP:]
