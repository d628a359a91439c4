"""What labels and predictions say of a stretch of time, as scores; of category columns and of steps of time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...records import QualityStep, Segment
from ...scores import CONFIDENCE_BINS, ErrorTally, Tally
from ..counts import ModelCounts
from ..windows import Observed

__all__ = ["Labels", "Seen", "confidence_of", "known", "segments_of", "steps_of"]

# A window of labels: version, start, seconds, and a JSON object of `Tally` or `ErrorTally`.
Labels = tuple[str, int, int, dict[str, Any]]

_SEGMENT_ROWS = 30
# Of a sum of all rows: what taking off may leave of a part of it.
_ROUNDING = 1e-9
# Steps that people count in, from a minute to a month.
_STEPS = (60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 604_800, 2_592_000)
_MOST_STEPS = 60


@dataclass
class Seen:
    """What is known of a stretch of time of one version."""

    tally: Tally | None = None
    errors: ErrorTally | None = None
    confidence: dict[int, int] = field(default_factory=dict)
    rows: int = 0

    def add_labels(self, value: Mapping[str, Any], *, segments: bool) -> None:
        """Count a window of labels.

        Args:
            value: a JSON object of `Tally` or `ErrorTally`.
            segments: its category columns, too.
        """
        if "classes" not in value:
            self.errors = self.errors or ErrorTally()
            self.errors.add_dict(value, segments=segments)
            return
        self.tally = self.tally or Tally(int(value["classes"]))
        self.tally.add_dict(value, segments=segments)

    def add_predictions(self, counts: ModelCounts) -> None:
        """Count a window of predictions."""
        self.rows += counts.rows
        for place, number in counts.confidence.items():
            self.confidence[place] = self.confidence.get(place, 0) + number

    def scores(self) -> dict[str, float | None]:
        """The scores of the labelled rows that a step of time has too; none without rows."""
        if (tally := self.tally) is not None and tally.rows:
            names = ("accuracy", "f1", "roc_auc", "log_loss", "calibration_error")
            return {name: known(getattr(tally, name)) for name in names}
        if (errors := self.errors) is not None and errors.rows:
            return {"mae": errors.mae, "rmse": errors.rmse}
        return {}


def known(value: float) -> float | None:
    """The value; None where it is NaN."""
    return None if math.isnan(value) else value


def confidence_of(seen: Seen, classes: int) -> NDArray[np.int64]:
    """How sure a version was: as `scores.count_confidence`."""
    counts = np.zeros(classes * CONFIDENCE_BINS, np.int64)
    for place, number in seen.confidence.items():
        # A version has one number of classes; what lies outside was counted of another model under its name.
        if place < len(counts):
            counts[place] += number
    return counts.reshape(classes, CONFIDENCE_BINS)


def segments_of(seen: Seen) -> tuple[Segment, ...]:
    """The values with rows enough to speak of, the worst first."""
    if seen.tally is not None and seen.tally.rows:
        found = [one for one in _of_classes(seen.tally) if one.labelled >= _least(seen.tally.rows)]
        return tuple(sorted(found, key=lambda one: (one.accuracy or 0.0, -one.labelled, one.column, one.value)))
    if seen.errors is not None and seen.errors.rows:
        found = [one for one in _of_numbers(seen.errors) if one.labelled >= _least(seen.errors.rows)]
        return tuple(sorted(found, key=lambda one: (-(one.mae or 0.0), -one.labelled, one.column, one.value)))
    return ()


def _least(rows: int) -> int:
    return max(_SEGMENT_ROWS, rows // 100)


def _of_classes(tally: Tally) -> list[Segment]:
    found = []
    for column, values in tally.segments.items():
        for value, (rows, right) in values.items():
            if not rows:
                continue
            more: dict[str, float | None] = {}
            if column in tally.columns and (scores := tally.columns[column].scores(value)).rows == rows:
                more = {name: known(one) for name, one in scores._asdict().items() if name != "rows"}
            found.append(Segment(column, value, int(rows), float(right / rows), **more))
    return found


def _of_numbers(errors: ErrorTally) -> list[Segment]:
    # A correction of a row that no segment has would be taken off what others say.
    if not errors.segmented:
        return []
    # What is less than nothing but for rounding is no sum of errors.
    least = -_ROUNDING * np.array([0.0, abs(errors.absolute), abs(errors.squared)])
    return [
        Segment(column, value, round(rows), None, mae=absolute / rows, rmse=math.sqrt(squared / rows))
        for column, values in errors.segments.items()
        for value, (rows, absolute, squared) in (
            (name, np.maximum(sums, 0.0).tolist()) for name, sums in values.items() if (sums >= least).all()
        )
        if rows
    ]


def steps_of(
    windows: Sequence[Labels], observed: Observed, version: str, rates: NDArray[np.float64] | None
) -> tuple[QualityStep, ...]:
    """What every version did over time, in at most about 60 steps.

    Args:
        windows: of labels.
        observed: windows of predictions.
        version: of which an estimate is told.
        rates: how often its rows are right, as `scores.calibrated`; None tells no estimate.
    """
    starts = [one[1] for one in windows] + [span.start for span in observed.windows]
    if not starts:
        return ()
    length = max(starts) - min(starts)
    step = next((one for one in _STEPS if length / one <= _MOST_STEPS), _STEPS[-1])
    seen: defaultdict[tuple[int, str], Seen] = defaultdict(Seen)
    for name, start, _, value in windows:
        seen[start // step, name].add_labels(value, segments=False)
    for span, counts in observed.windows.items():
        for name, model in counts.models.items():
            seen[span.start // step, name].add_predictions(model)
    return tuple(
        _step(float(place * step), float(step), name, one, rates if name == version else None)
        for (place, name), one in sorted(seen.items())
    )


def _step(start: float, seconds: float, version: str, seen: Seen, rates: NDArray[np.float64] | None) -> QualityStep:
    told = seen.scores()
    labelled = (seen.tally or seen.errors or ErrorTally()).rows
    return QualityStep(
        start,
        seconds,
        version,
        labelled,
        told.get("accuracy"),
        error=told.get("mae"),
        expected_accuracy=_expected(seen, rates),
        f1=told.get("f1"),
        roc_auc=told.get("roc_auc"),
        log_loss=told.get("log_loss"),
        calibration_error=told.get("calibration_error"),
        rmse=told.get("rmse"),
    )


def _expected(seen: Seen, rates: NDArray[np.float64] | None) -> float | None:
    if rates is None or not seen.confidence:
        return None
    counts = confidence_of(seen, len(rates))
    return float((counts * rates).sum() / counts.sum()) if counts.any() else None
