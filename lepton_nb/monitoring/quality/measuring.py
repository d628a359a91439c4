"""The quality of a version, from the windows of its labels and those of its predictions."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError
from ...records import Deployment, Quality
from ...runtime import CHAMPION, ModelError, read_slots
from ...scores import (
    HELD_OUT_FILE,
    ErrorTally,
    Estimate,
    Tally,
    calibrated,
    expected_accuracy,
    share_fell,
)
from ...workspace import Workspace, read_json
from ..labels import countable, join, read_ledger, reading, sums
from ..places import folder_of, model_folder
from ..windows import Observed, observe, reads_logs
from .seen import Labels, Seen, confidence_of, segments_of, steps_of
from .seen import known as as_known

__all__ = ["MINIMUM_LABELLED", "quality"]

# Fewer rows say hardly more than that some were right.
MINIMUM_LABELLED = 50
_HELD_OUT, _LABELLED = "held-out rows", "labelled traffic"
# Of a package without held-out sums, so many labelled rows calibrate as well.
_CALIBRATING = 300


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
    windows: list[Labels] = reading(
        folder, lambda known: [one for one in sums(folder, known.parts) if one[1] + one[2] > moment]
    )
    version = version or _champion(folder) or max(windows, key=lambda one: one[1], default=("",))[0]
    # What is asked for says how exactly windows are read: of an hour the minutes, of a year the days.
    spans = observe(ws, name, None if since is None else moment).windows
    seen = Seen()
    with countable(folder):
        for one in windows:
            if one[0] == version:
                seen.add_labels(one[3], segments=True)
    for counts in spans.values():
        if version in counts.models:
            seen.add_predictions(counts.models[version])
    model = model_folder(ws, folder, version)
    known, known_from = _calibration(model, seen.tally)
    with countable(folder):
        steps = steps_of(windows, Observed(spans, 0), version, None if known is None else calibrated(known))
    return _told(
        Quality(name, version, seen.rows, 0, ledger.unmatched, classes=ledger.classes.get(version, ()), steps=steps),
        seen,
        _card(model),
        None if known is None else expected_accuracy(confidence_of(seen, known.shape[1]), known),
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
    except (OSError, FormatError, KeyError, TypeError, ValueError, IndexError, AttributeError):
        tally = Tally(1)
    if tally.confidence.any():
        return tally.confidence, _HELD_OUT
    if labelled is not None and labelled.rows >= _CALIBRATING:
        return labelled.confidence, _LABELLED
    return None, ""


def _told(
    found: Quality, seen: Seen, card: tuple[float | None, int], estimate: Estimate | None, known_from: str
) -> Quality:
    """The record with the scores of what was seen."""
    import dataclasses

    told: dict[str, Any] = {"card_accuracy": card[0], "card_rows": card[1], **seen.scores()}
    told |= {"labelled": (seen.tally or seen.errors or ErrorTally()).rows, "segments": segments_of(seen)}
    if (tally := seen.tally) is not None and tally.rows:
        # Labels of which several may hold are counted one by one.
        told["classes"] = found.classes or ("no", "yes")
        told |= {
            "f1_positive": as_known(float(tally.f1_by_class[1])) if tally.classes == 2 else None,
            "confusion": tuple(tuple(map(int, row)) for row in tally.confusion),
        }
        if card[0] is not None:
            told["fell"] = share_fell(tally.right, tally.rows, round(card[0] * card[1]), card[1])
    if estimate is not None:
        told |= {"expected_accuracy": estimate.value, "expected_low": estimate.low, "expected_high": estimate.high}
        told["expected_from"] = known_from
    return dataclasses.replace(found, **told)
