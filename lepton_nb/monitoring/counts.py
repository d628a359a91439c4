"""What is kept of a stretch of time: counts, and nothing but counts, so that any two stretches add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..runtime import Distribution, Reference
from ..scores import LATENCY_EDGES_MS

__all__ = ["Counts", "ModelCounts", "total"]

_Key = TypeVar("_Key", str, int)
_LATENCY_BINS = len(LATENCY_EDGES_MS) + 1


@dataclass
class ModelCounts:
    """What one model version saw and answered.

    Args:
        rows: predictions.
        labels: predictions per class name.
        features: per feature the rows per bin of that version's training reference, the missing ones last, int64.
        answers: where the answer is a number, the predictions per bin in the same way; else None.
        outside: per feature the rows below or above all that training saw, where that is known.
        confidence: rows by predicted class and bin of its probability, places of `scores.count_confidence` in one line.
    """

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    features: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    answers: NDArray[np.int64] | None = None
    outside: Counter[str] = field(default_factory=Counter)
    confidence: Counter[int] = field(default_factory=Counter)

    def add(self, other: ModelCounts) -> None:
        """Count what `other` counted as well."""
        self.rows += other.rows
        _count(self.labels, other.labels)
        for name, counts in other.features.items():
            self.features[name] = counts + self.features.get(name, 0)
        _count(self.outside, other.outside)
        _count(self.confidence, other.confidence)
        if other.answers is not None:
            self.answers = other.answers + (0 if self.answers is None else self.answers)

    def like(self, reference: Reference) -> Reference:
        """The same counts in the form of the training reference, to compare the two.

        Predicted names that the reference does not know count as unseen.
        """
        features = {}
        for name, before in reference.features.items():
            if (counts := self.features.get(name)) is not None:
                bins = tuple(counts[:-1].tolist())
                features[name] = Distribution(
                    *(before.kind, bins, before.edges, before.categories, int(counts[-1])),
                    outside=self.outside.get(name),
                )
        return Reference(features, self._predicted(reference.prediction), self.rows)

    def _predicted(self, before: Distribution | None) -> Distribution | None:
        """What was predicted, counted as the reference counts it."""
        if before is None:
            return None
        if before.kind == "number":
            counts = np.zeros(len(before.counts) + 1, np.int64) if self.answers is None else self.answers
            return Distribution("number", tuple(counts[:-1].tolist()), before.edges, missing=int(counts[-1]))
        classes = before.categories
        known = [self.labels[name] for name in classes]
        unseen = self.labels.total() - sum(known)
        return Distribution("category", (*known, unseen), categories=classes)


@dataclass
class Counts:
    """What happened in one stretch of time.

    Args:
        requests: requests answered or refused.
        errors: failed requests per HTTP status and code, such as `422 invalid_row`.
        latency: answered requests per bin of `scores.LATENCY_EDGES_MS`, int64.
        models: predictions per model version.
        usage: of the processes that answered: CPU time in microseconds, KiB of memory times milliseconds, and the
            milliseconds that both were watched for, of all processes together, int64 [3].
    """

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    latency: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_LATENCY_BINS, dtype=np.int64))
    models: dict[str, ModelCounts] = field(default_factory=dict)
    usage: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, dtype=np.int64))

    @property
    def rows(self) -> int:
        """Predictions of all versions."""
        return sum(model.rows for model in self.models.values())

    @property
    def labels(self) -> Counter[str]:
        """Predictions per class name, of all versions."""
        return sum((model.labels for model in self.models.values()), Counter())

    def add(self, other: Counts) -> None:
        """Count what `other` counted as well."""
        self.requests += other.requests
        _count(self.errors, other.errors)
        self.latency = self.latency + other.latency
        self.usage = self.usage + other.usage
        for version, model in other.models.items():
            self.models.setdefault(version, ModelCounts()).add(model)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; empty latency bins are left out."""
        return {
            "requests": self.requests,
            "errors": dict(self.errors),
            "latency": {str(i): int(self.latency[i]) for i in np.flatnonzero(self.latency)},
            "usage": self.usage.tolist(),
            "models": {
                version: {
                    "rows": model.rows,
                    "labels": dict(model.labels),
                    "features": {name: counts.tolist() for name, counts in model.features.items()},
                    **({} if model.answers is None else {"answers": model.answers.tolist()}),
                    "outside": dict(model.outside),
                    "confidence": {str(place): count for place, count in model.confidence.items()},
                }
                for version, model in self.models.items()
            },
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Counts:
        """The counts of a JSON object."""
        counts = cls(int(value["requests"]), Counter(value["errors"]))
        for place, number in value["latency"].items():
            counts.latency[int(place)] = number
        counts.usage = np.array(value.get("usage", (0, 0, 0)), dtype=np.int64)
        for version, model in value["models"].items():
            features = {name: np.array(bins, dtype=np.int64) for name, bins in model["features"].items()}
            answers = np.array(model["answers"], dtype=np.int64) if "answers" in model else None
            known, outside = Counter(model["labels"]), Counter(model.get("outside", {}))
            sure = Counter({int(place): int(count) for place, count in model.get("confidence", {}).items()})
            counts.models[version] = ModelCounts(int(model["rows"]), known, features, answers, outside, sure)
        return counts


def _count(known: Counter[_Key], more: Mapping[_Key, int]) -> None:
    """Add to a counter; `Counter.update` asks of each argument what kind it is, which is half of its time."""
    for key, number in more.items():
        known[key] = known.get(key, 0) + number


def total(many: Iterable[Counts]) -> Counts:
    """The sum of any number of stretches."""
    result = Counts()
    for one in many:
        result.add(one)
    return result
