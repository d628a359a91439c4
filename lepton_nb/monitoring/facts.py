"""What rules may ask about a deployment: names with values, and functions of its features.

What cannot be told yet (no labels, too few rows) is `rules.UNKNOWN`: a rule that hangs on it is unknown, and never
true. The names:

    verdict              healthy, warning, drifting or failing
    drifting             whether the inputs or predictions moved away from training
    requests, predictions, labelled
                         how many
    errors               share of the requests that failed in the server or were refused
    p50_ms, p95_ms, p99_ms
                         latency in milliseconds
    accuracy, quality    share of the labelled predictions that were right; the two are the same
    f1, auc, log_loss, calibration_error
                         of the labelled predictions, as on the model card
    mae, rmse            where the answer is a number
    worst_segment        accuracy of the worst value of a category column
    expected_accuracy    an estimate for all predictions, labelled or not
    card_accuracy        what the model card says

The functions psi, js, ks, missing, unseen and out_of_range take a feature's name, or `prediction`. A feature that has
the name of a fact, or one that is no plain name, is written in quotes: psi('errors').
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..drift import PREDICTION
from ..errors import NotFoundError, UsageError, near
from ..records import Deployment, Drift, Health, Quality
from ..rules import UNKNOWN
from ..runtime import CHAMPION, ModelError, read_reference, read_slots
from ..workspace import Workspace
from .health import health
from .places import folder_of
from .quality import MINIMUM_LABELLED, quality

__all__ = ["FUNCTIONS", "NAMES", "check_feature", "facts", "facts_of", "kinds_of", "names_of"]

NAMES = (
    *("verdict", "drifting", "requests", "predictions", "labelled", "errors", "p50_ms", "p95_ms", "p99_ms"),
    *("quality", "accuracy", "f1", "auc", "log_loss", "calibration_error", "mae", "rmse", "worst_segment"),
    *("expected_accuracy", "card_accuracy"),
)
# By the field of the feature's drift that they tell.
FUNCTIONS = ("psi", "js", "ks", "missing", "unseen", "out_of_range")
_OF = {"ks": "number", "out_of_range": "number", "unseen": "category"}


def facts(
    ws: Workspace, deployment: Deployment | str, since: float | None = None
) -> tuple[dict[str, Any], dict[str, Callable[..., Any]]]:
    """What is known of a deployment, in the form that `rules.holds` takes.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: look at the last so many seconds, in whole windows; None looks at everything.

    Returns:
        Values by name, among them each feature's name, which stands for itself; and functions by name.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: its log, its windows or its labels cannot be read.
    """
    name = str(deployment)
    return facts_of(health(ws, deployment, since), quality(ws, deployment, since), kinds_of(ws, name))


def kinds_of(ws: Workspace, deployment: str) -> Mapping[str, str]:
    """The features of the champion, `number` or `category` by name; none where its reference cannot be read."""
    try:
        champion = read_slots(folder_of(ws, deployment) / "slots.json")[CHAMPION]
        reference = read_reference(champion.path)
    except ModelError:
        return {}
    predicted = {} if reference.prediction is None else {PREDICTION: reference.prediction.kind}
    return {name: one.kind for name, one in reference.features.items()} | predicted


def names_of(ws: Workspace, deployment: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names and the functions that `facts` tells of a deployment, without looking at what it has answered."""
    return (*kinds_of(ws, deployment), *NAMES), FUNCTIONS


def facts_of(
    state: Health, known: Quality, kinds: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Callable[..., Any]]]:
    """The same of what was found out already.

    Args:
        state: of the deployment.
        known: its champion's quality.
        kinds: the features, as `kinds_of` tells them.
    """
    traffic, drifted = state.traffic, state.drift.drifted
    values: dict[str, Any] = {
        **{name: name for name in kinds},
        "verdict": state.verdict,
        "drifting": UNKNOWN if drifted is None else drifted,
        "requests": traffic.requests,
        "predictions": traffic.predictions,
        "errors": traffic.errors / traffic.requests if traffic.requests else UNKNOWN,
        "p50_ms": _told(traffic.p50_ms),
        "p95_ms": _told(traffic.p95_ms),
        "p99_ms": _told(traffic.p99_ms),
        **_quality(known),
    }
    return values, {name: _function(name, state.drift, kinds) for name in FUNCTIONS}


def _quality(known: Quality) -> dict[str, Any]:
    worst = known.worst_segment
    scores = {
        "accuracy": known.accuracy,
        "quality": known.accuracy,
        "f1": known.f1,
        "auc": known.roc_auc,
        "log_loss": known.log_loss,
        "calibration_error": known.calibration_error,
        "mae": known.mae,
        "rmse": known.rmse,
        "worst_segment": None if worst is None else worst.accuracy,
    }
    enough = known.labelled >= MINIMUM_LABELLED
    return {
        **{name: _told(value) if enough else UNKNOWN for name, value in scores.items()},
        "labelled": known.labelled,
        "expected_accuracy": _told(known.expected_accuracy),
        "card_accuracy": _told(known.card_accuracy),
    }


def _told(value: float | None) -> Any:
    return UNKNOWN if value is None or math.isnan(value) else value


def _function(name: str, drift: Drift, kinds: Mapping[str, str]) -> Callable[..., Any]:
    found: Mapping[str, float | None] = {one.name: getattr(one, name) for one in drift.features}

    def tell(feature: str) -> Any:
        check_feature(name, feature, kinds)
        return UNKNOWN if drift.rows < drift.minimum else _told(found.get(feature))

    tell.__name__ = name
    return tell


def check_feature(function: str, feature: str, kinds: Mapping[str, str]) -> None:
    """Refuse a function of a feature that is not there, or of another kind.

    Raises:
        NotFoundError: there is no such feature.
        UsageError: it is a category and not a number, or the other way round.
    """
    kind = kinds.get(feature)
    if kind is None:
        raise NotFoundError(f"there is no feature {feature!r}", hint=near(str(feature), kinds))
    if _OF.get(function, kind) != kind:
        raise UsageError(f"{function} is of a {_OF[function]}, and {feature} is a {kind}")
