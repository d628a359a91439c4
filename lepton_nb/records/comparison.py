"""Runs side by side."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .metrics import better
from .runs import Run, duration
from .shown import Result, Table, cell

__all__ = ["Comparison"]

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Comparison(Result):
    """Two or more runs: how they ended, what they measured, and which parameters made the difference.

    Args:
        runs: the runs, in the order they were named.
        metric: which metric is drawn; empty when they share none.
        picture: its curves as one `<svg>` element, every text in it escaped; empty when there are none.
    """

    runs: tuple[Run, ...]
    metric: str = ""
    picture: str = ""

    def table(self) -> Table:
        """A column per run: status, time, last metrics (the best is marked), and the parameters that differ."""
        rows: list[tuple[object, ...]] = [
            ("id", *(run.id[:8] for run in self.runs)),
            ("status", *(run.status for run in self.runs)),
            ("time", *(duration((run.ended or time.time()) - run.created) for run in self.runs)),
        ]
        rows += [(name, *_marked(name, values)) for name, values in _side_by_side([run.metrics for run in self.runs])]
        params = _side_by_side([run.params for run in self.runs])
        differing = [(name, values) for name, values in params if len(set(values)) > 1]
        rows += [(f"param {name}", *values) for name, values in differing]
        return Table(f"{len(self.runs)} runs", ("", *self._headings()), rows, _note(len(params) - len(differing)))

    def _headings(self) -> list[str]:
        """The runs' names; where two have the same one, with what tells them apart."""
        count = Counter(run.name for run in self.runs)
        return [run.name if count[run.name] == 1 else f"{run.name} ({run.id[:8]})" for run in self.runs]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(include, exclude)
        return {**bundle, "text/html": bundle["text/html"] + self.picture}

    def to_json(self) -> dict[str, Any]:
        """The runs and the metric that is drawn; the picture is for people."""
        body = super().to_json()
        del body["picture"]
        return body


def _side_by_side(parts: Sequence[Mapping[str, _Value]]) -> list[tuple[str, list[_Value | None]]]:
    names = sorted({name for part in parts for name in part})
    return [(name, [part.get(name) for part in parts]) for name in names]


def _marked(name: str, values: Sequence[float | None]) -> list[object]:
    """The values of a metric, the best with a word behind it, where it is known what is better."""
    best = _best(name, values)
    return [value if value is None or value != best else f"{cell(float(value))} best" for value in values]


def _best(name: str, values: Sequence[float | None]) -> float | None:
    """The best of several values; None when nobody can say, or when there is no difference."""
    known = {value for value in values if value is not None and math.isfinite(value)}
    if len(known) < 2:
        return None
    return {"lower": min(known), "higher": max(known)}.get(better(name))


def _note(same: int) -> str:
    return f"{same} more parameter{' is' if same == 1 else 's are'} the same" if same else ""
