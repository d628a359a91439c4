"""What is searched: names with ranges or choices, and how a sampler is asked for a value of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Dimension", "Space"]

Kind = Literal["log", "uniform", "int", "choice"]


@dataclass(frozen=True)
class Dimension:
    """One name that is searched.

    Args:
        name: of an option of the training or an argument of the network; `net.NAME` is always the network's.
        kind: `log` and `uniform` are floats, evenly spread over their logarithm or themselves.
        low: the least value of a range.
        high: its largest.
        step: between two whole numbers of `int`.
        choices: the values of `choice`: numbers, texts, truth values, None or lists of these.
    """

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    step: float = 0
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Any) -> Any:
        """The value that an Optuna trial takes."""
        if self.kind == "int":
            return trial.suggest_int(self.name, int(self.low), int(self.high), step=int(self.step))
        if self.kind == "choice":
            labels = [_label(one) for one in self.choices]
            label = trial.suggest_categorical(self.name, labels)
            # 1 equals True.
            places = [place for place, one in enumerate(labels) if type(one) is type(label) and one == label]
            return self.choices[places[0]]
        return trial.suggest_float(self.name, self.low, self.high, log=self.kind == "log")

    def ends(self) -> tuple[Any, ...]:
        """Its extremes, or all of its choices."""
        if self.kind == "choice":
            return self.choices
        if self.kind == "int":
            low, high, step = int(self.low), int(self.high), int(self.step)
            return low, low + (high - low) // step * step
        return self.low, self.high

    def text(self) -> str:
        """As a person writes it."""
        if self.kind == "choice":
            return f"{self.name}={json.dumps(list(self.choices))}"
        step = f", {self.step:g}" if self.kind == "int" and self.step != 1 else ""
        return f"{self.name}={self.kind}({self.low:g}, {self.high:g}{step})"


@dataclass(frozen=True)
class Space:
    """All that is searched, in its order."""

    dimensions: tuple[Dimension, ...]

    def __call__(self, trial: Any) -> dict[str, Any]:
        """The values that an Optuna trial takes, by name."""
        return {one.name: one.suggest(trial) for one in self.dimensions}

    def asked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a trial as its sampler has them."""
        return {
            one.name: _label(values[one.name]) if one.kind == "choice" else values[one.name] for one in self.dimensions
        }

    def corners(self) -> Iterator[dict[str, Any]]:
        """Settings that hold every extreme and every choice at least once."""
        ends = {one.name: one.ends() for one in self.dimensions}
        for place in range(max(map(len, ends.values()))):
            yield {name: values[min(place, len(values) - 1)] for name, values in ends.items()}

    def to_dict(self) -> list[dict[str, Any]]:
        """What `study.json` says of it."""
        return [{**vars(one), "choices": list(one.choices)} for one in self.dimensions]

    @classmethod
    def from_dict(cls, body: list[Mapping[str, Any]]) -> Space:
        """Read what `to_dict` has written."""
        return cls(tuple(Dimension(**{**one, "choices": tuple(one["choices"])}) for one in body))


def _label(value: Any) -> Any:
    """A choice as Optuna's storages can hold it: what is no plain value as JSON."""
    return json.dumps(value) if isinstance(value, list) else value
