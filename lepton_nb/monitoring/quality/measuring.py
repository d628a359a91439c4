"""The quality of a version, from the windows of its labels and those of its predictions."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError
from ...records import Deployment, Quality, QualityStep, Segment
from ...runtime import CHAMPION, ModelError, read_slots
from ...scores import (
    CONFIDENCE_BINS,
    HELD_OUT_FILE,
    ErrorTally,
    Estimate,
    Tally,
    calibrated,
    expected_accuracy,
    share_fell,
)
from ...workspace import Workspace, read_json
from ..counts import ModelCounts
from ..labels import join, read_ledger, reading, sums
from ..places import folder_of, model_folder
from ..windows import Observed, observe, reads_logs

__all__ = ["MINIMUM_LABELLED", "quality"]

# Fewer rows say hardly more than that some were right.
MINIMUM_LABELLED = 50
_SEGMENT_ROWS = 30
# Steps that people count in, from a minute to a month.
_STEPS = (60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 604_800, 2_592_000)
_MOST_STEPS = 60
_HELD_OUT, _LABELLED = "held-out rows", "labelled traffic"
# Of a package without held-out sums, so many labelled rows calibrate as well.
_CALIBRATING = 300

_Window = tuple[str, int, int, dict[str, Any]]


@dataclass
class _Seen:
    """What is known of a stretch of time of one version."""

    tally: Tally | None = None
    errors: ErrorTally | None = None
    confidence: dict[int, int] = field(default_factory=dict)
    rows: int = 0

    def add_labels(self, value: Mapping[str, Any]) -> None:
        if "classes" not in value:
            self.errors = self.errors or ErrorTally()
            self.errors.add_dict(value)
            return
        self.tally = self.tally or Tally(int(value["classes"]))
        self.tally.add_dict(value)

    def add_predictions(self, counts: ModelCounts) -> None:
        self.rows += counts.rows
        for place, number in counts.confidence.items():
            self.confidence[place] = self.confidence.get(place, 0) + number


def quality(
    ws: Workspace, deployment: Deployment | str, since: float | None = None, version: str | None = None
) -> Quality:
    """How often a version is right: by the labels that came late, and by an estimate for all that it predicted.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: look at predictions of the last so many seconds, in whole windows; None looks at all.
        version: the model; None means the champion.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: labels, or what was counted of them, cannot be read.
    """
    name, now = str(deployment), time.time()
    folder = folder_of(ws, name)
    moment = -math.inf if since is None else now - since
    ledger = join(ws, folder, now) if reads_logs() else read_ledger(folder)
    windows: list[_Window] = reading(
        folder, lambda known: [one for one in sums(folder, known.parts) if one[1] + one[2] > moment]
    )
    version = version or _champion(folder) or max(windows, key=lambda one: one[1], default=("",))[0]
    # What is asked for says how exactly windows are read: of an hour the minutes, of a year the days.
    spans = observe(ws, name, None if since is None else moment).windows
    seen = _Seen()
    for one in windows:
        if one[0] == version:
            seen.add_labels(one[3])
    for counts in spans.values():
        if version in counts.models:
            seen.add_predictions(counts.models[version])
    model = model_folder(ws, folder, version)
    known, known_from = _calibration(model, seen.tally)
    steps = _steps(windows, Observed(spans, 0), version, None if known is None else calibrated(known))
    return _told(
        Quality(name, version, seen.rows, 0, ledger.unmatched, classes=ledger.classes.get(version, ()), steps=steps),
        seen,
        _card(model),
        None if known is None else expected_accuracy(_confidence(seen, known.shape[1]), known),
        known_from,
    )


def _champion(folder: Path) -> str:
    try:
        return read_slots(folder / "slots.json")[CHAMPION].bento
    except ModelError:
        return ""


def _card(model: Path | None) -> tuple[float | None, int]:
    """What the model card says of the accuracy, and of how many rows."""
    try:
        card = json.loads((model / "card.json").read_bytes()) if model else {}
        return float(card["metrics"]["accuracy"]), int(card["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, 0


def _calibration(model: Path | None, labelled: Tally | None) -> tuple[NDArray[np.int64] | None, str]:
    """Right and wrong rows by confidence whose truth is known, and where they come from."""
    try:
        held_out = read_json(model / HELD_OUT_FILE) if model else {}
        tally = Tally(int(held_out["classes"]))
        tally.add_dict(held_out)
    except (OSError, FormatError, KeyError, TypeError, ValueError, IndexError):
        tally = Tally(1)
    if tally.confidence.any():
        return tally.confidence, _HELD_OUT
    if labelled is not None and labelled.rows >= _CALIBRATING:
        return labelled.confidence, _LABELLED
    return None, ""


def _confidence(seen: _Seen, classes: int) -> NDArray[np.int64]:
    counts = np.zeros(classes * CONFIDENCE_BINS, np.int64)
    for place, number in seen.confidence.items():
        # A version has one number of classes; what lies outside was counted of another model under its name.
        if place < len(counts):
            counts[place] += number
    return counts.reshape(classes, CONFIDENCE_BINS)


def _told(
    found: Quality, seen: _Seen, card: tuple[float | None, int], estimate: Estimate | None, known_from: str
) -> Quality:
    """The record with the scores of what was seen."""
    import dataclasses

    told: dict[str, Any] = {"card_accuracy": card[0], "card_rows": card[1]}
    if (tally := seen.tally) is not None and tally.rows:
        told |= {
            "labelled": tally.rows,
            "accuracy": tally.accuracy,
            "f1": tally.f1,
            "f1_positive": _known(float(tally.f1_by_class[1])) if tally.classes == 2 else None,
            "roc_auc": _known(tally.roc_auc),
            "log_loss": tally.log_loss,
            "calibration_error": tally.calibration_error,
            "confusion": tuple(tuple(map(int, row)) for row in tally.confusion),
            "segments": _segments(tally),
        }
        if card[0] is not None:
            told["fell"] = share_fell(tally.right, tally.rows, round(card[0] * card[1]), card[1])
    if (errors := seen.errors) is not None and errors.rows:
        told |= {"labelled": errors.rows, "mae": errors.mae, "rmse": errors.rmse}
    if estimate is not None:
        told |= {"expected_accuracy": estimate.value, "expected_low": estimate.low, "expected_high": estimate.high}
        told["expected_from"] = known_from
    return dataclasses.replace(found, **told)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _segments(tally: Tally) -> tuple[Segment, ...]:
    """The values with rows enough to speak of, the worst first."""
    least = max(_SEGMENT_ROWS, tally.rows // 100)
    found = [
        Segment(column, value, int(rows), float(right / rows))
        for column, values in tally.segments.items()
        for value, (rows, right) in values.items()
        if rows >= least
    ]
    return tuple(sorted(found, key=lambda one: (one.accuracy, -one.labelled, one.column, one.value)))


def _steps(
    windows: Sequence[_Window], observed: Observed, version: str, rates: NDArray[np.float64] | None
) -> tuple[QualityStep, ...]:
    """What every version did over time, in at most about 60 steps."""
    starts = [one[1] for one in windows] + [span.start for span in observed.windows]
    if not starts:
        return ()
    length = max(starts) - min(starts)
    step = next((one for one in _STEPS if length / one <= _MOST_STEPS), _STEPS[-1])
    seen: defaultdict[tuple[int, str], _Seen] = defaultdict(_Seen)
    for name, start, _, value in windows:
        seen[start // step, name].add_labels(value)
    for span, counts in observed.windows.items():
        for name, model in counts.models.items():
            seen[span.start // step, name].add_predictions(model)
    return tuple(
        QualityStep(
            float(place * step),
            float(step),
            name,
            (one.tally or one.errors or ErrorTally()).rows,
            _known(one.tally.accuracy) if one.tally else None,
            _known(one.errors.mae) if one.errors else None,
            expected_accuracy=_expected(one, rates) if name == version else None,
        )
        for (place, name), one in sorted(seen.items())
    )


def _expected(seen: _Seen, rates: NDArray[np.float64] | None) -> float | None:
    if rates is None or not seen.confidence:
        return None
    counts = _confidence(seen, len(rates))
    return float((counts * rates).sum() / counts.sum()) if counts.any() else None
