"""An exported file against the network it was made of: its answers and its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ...artifact import network_probabilities, stacked
from ...artifact.losses import counted
from ...artifact.quality import difference_of, scores_of, spread_of
from ...artifact.subject import Subject as Network
from ...data import features, read
from ...models import Batch
from ...records import Data, monitored
from ...scores import task_scores
from .formats import Made, Subject

__all__ = ["Found", "Yardstick", "choosing_of", "yardstick_of"]

_WARM_UP, _TIMED = 50, 400
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Found:
    """What was measured of one file; the names are those of `Export`."""

    p50_ms: float
    p95_ms: float
    difference: float
    accuracy: float | None
    error: float | None = None


class Yardstick(Protocol):
    """Rows, and what the trained network says of them.

    Attributes:
        part: of the data, that the rows are of.
        rows: how many.
        accuracy: of the network on them; None where there is none.
        measure: the name of its error on them; empty where there is none.
        error: its error.
    """

    part: str
    rows: int
    accuracy: float | None
    measure: str
    error: float | None

    def found(self, made: Made) -> Found:
        """Every row in batches for the answers, single rows for the time."""

    def lost(self, made: Made) -> float:
        """By how much a file is worse than the network.

        The share of rows that it is wrong on more often; where that is not known, how far its answers are off, in
        standard deviations of the network's.
        """


class Loaded:
    """One part of a data set, and what the trained network says of it.

    Args:
        data: the run's data.
        expected: answers of the trained network on that part, [N, C].
        part: `test`, or `validation` where a choice is made before the test.
    """

    def __init__(self, data: Data, expected: NDArray[np.float64], part: str = "test") -> None:
        self.data, self.part, self.expected = data, part, expected
        self._raw, self.targets = read(data, part)
        self.rows = len(self.targets)
        self.measure = {"regression": "rmse", "multilabel": "log_loss"}.get(data.task, "")
        self.accuracy, self.error = self._scores(expected)

    def found(self, made: Made) -> Found:
        """Every row in batches for the answers, single rows for the time."""
        answers = self.answers(made)
        p50, p95 = np.percentile(_latencies_ms(made, self._inputs(made)), [50, 95])
        difference = np.abs(answers - self.expected).max(initial=0.0)
        return Found(float(p50), float(p95), float(difference), *self._scores(answers))

    def lost(self, made: Made) -> float:
        """As `Yardstick` says."""
        answers = self.answers(made)
        if self.accuracy is not None:
            return self.accuracy - cast("float", self._scores(answers)[0])
        return float(np.max(np.sqrt(((answers - self.expected) ** 2).mean(0)) / (self.expected.std(0) + 1e-12)))

    def answers(self, made: Made) -> NDArray[np.float64]:
        """What a file says of every row, [N, C]."""
        inputs, count = self._inputs(made), len(self.targets)
        parts = [
            stacked(made.predict({name: values[start : start + _ROWS_AT_ONCE] for name, values in inputs.items()}))
            for start in range(0, count, _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts)

    def _inputs(self, made: Made) -> Mapping[str, NDArray[Any]]:
        return {"features": features(self.data, self.part)[0]} if made.prepared else self._raw

    def _scores(self, answers: NDArray[np.float64]) -> tuple[float | None, float | None]:
        """The accuracy of classes, or the error of other answers."""
        if not self.measure:
            return float((answers.argmax(axis=1) == self.targets).mean()), None
        return None, task_scores(self.data.task, answers, self.targets)[self.measure]


class Kept:
    """Rows that were kept of a notebook's own loaders, and what the trained network says of them.

    Args:
        subject: the network, with the rows.
        batches: the rows, as their loaders gave them.
        part: of the loaders, that they are of.
    """

    def __init__(self, subject: Network, batches: Sequence[Batch], part: str) -> None:
        self._subject, self._batches, self.part, self.rows = subject, batches, part, subject.rows
        told = self._counted(None) if subject.task == "tensors" else {}
        self.measure = "rmse" if subject.task == "regression" else monitored(told) or ""
        scores = scores_of(subject, subject.answers) | told
        self.accuracy, self.error = scores.get("accuracy"), scores.get(self.measure)
        self.measure = self.measure if self.error is not None else ""

    def found(self, made: Made) -> Found:
        """Every row in batches for the answers, single rows for the time."""
        answers = self._answers(made)
        p50, p95 = np.percentile(_latencies_ms(made, self._subject.batches[0]), [50, 95])
        scores = scores_of(self._subject, answers)
        if self.measure and self._subject.task == "tensors":
            scores |= self._counted(made)
        difference = difference_of(self._subject, answers)
        return Found(float(p50), float(p95), difference, scores.get("accuracy"), scores.get(self.measure))

    def lost(self, made: Made) -> float:
        """As `Yardstick` says."""
        answers = self._answers(made)
        if self.accuracy is not None:
            return self.accuracy - scores_of(self._subject, answers)["accuracy"]
        return spread_of(self._subject, answers)

    def _answers(self, made: Made) -> list[Mapping[str, NDArray[Any]]]:
        return [cast("Mapping[str, NDArray[Any]]", made.predict(one)) for one in self._subject.batches]

    def _counted(self, made: Made | None) -> dict[str, float]:
        answering = None if made is None else cast("Callable[[Any], Mapping[str, NDArray[Any]]]", made.predict)
        return counted(self._subject.network, self._batches, answering)


def yardstick_of(subject: Subject) -> Yardstick:
    """The held-out rows that every format is measured on."""
    if subject.network is not None:
        examples = subject.network.examples
        return Kept(subject.network, examples.held_out, examples.part)
    data = cast("Data", subject.data)
    return Loaded(data, network_probabilities(subject.run, data, "test"))


def choosing_of(subject: Subject) -> Yardstick:
    """Other rows than those of `yardstick_of`, where there are some, for choices that are made before."""
    if subject.network is not None:
        examples = subject.network.examples
        batches = examples.train or examples.validation
        return Kept(subject.network.over(batches), batches, "train" if examples.train else "validation")
    data = cast("Data", subject.data)
    return Loaded(data, network_probabilities(subject.run, data, "validation"), "validation")


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
