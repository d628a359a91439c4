"""What a deployment sees now beside what its model was trained on, or beside a stretch of its own past."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

from ..drift import MINIMUM_ROWS, PREDICTION, counts_of, drift
from ..errors import DataError, UsageError
from ..records import Deployment, Drift, DriftStep, FeatureHistogram
from ..runtime import CHAMPION, Distribution, ModelError, Reference, read_reference, read_slots
from ..workspace import Workspace
from .counts import Counts, ModelCounts, total
from .places import folder_of, model_folder
from .stepping import step_of, steps
from .windows import WHOLE, observe

__all__ = ["Between", "champion_of", "compared", "drift_over_time", "histograms", "past_of", "reference_of"]

Between = tuple[float, float]
_References = Callable[[str], Reference | None]
_NOTHING = Drift(None, 0, MINIMUM_ROWS, ())


def champion_of(folder: Path) -> str | None:
    """The version that answers in a deployment; None when its slots cannot be read."""
    try:
        return read_slots(folder / "slots.json")[CHAMPION].bento
    except ModelError:
        return None


def reference_of(ws: Workspace, folder: Path, version: str) -> Reference | None:
    """What a version was trained on; None when its model is gone."""
    path = model_folder(ws, folder, version)
    try:
        return None if path is None else read_reference(path)
    except ModelError:
        return None


def compared(seen: ModelCounts, reference: Reference, past: ModelCounts | None = None) -> Drift:
    """The drift of what a version saw.

    Args:
        seen: the counts.
        reference: its training reference, which has the bins.
        past: what it saw earlier, to compare with in place of the training data.
    """
    # Rows that are counted without features were read while their model could not be.
    if not seen.features and (reference.features or not seen.rows):
        return _NOTHING
    return drift(past.like(reference) if past is not None else reference, seen.like(reference))


def past_of(ws: Workspace, name: str, version: str, against: Between | None) -> ModelCounts | None:
    """What a version saw in a stretch of the past; None when the training data is compared with.

    Raises:
        UsageError: the stretch ends before it begins.
        DataError: the version answered nothing then.
    """
    if against is None:
        return None
    begin, end = against
    if not begin < end:
        raise UsageError("the past window ends before it begins", expected="(begin, end) in seconds since the epoch")
    windows = observe(ws, name, since=begin).windows.items()
    counts = total(one for span, one in windows if span.start >= begin and span.start + span.seconds <= end)
    found = counts.models.get(version)
    if found is None or not found.features:
        raise DataError(f"{version} answered nothing in the past window of {name}", hint="choose a longer one")
    return found


def drift_over_time(
    ws: Workspace,
    deployment: Deployment | str,
    since: float | None = None,
    step_seconds: float | None = None,
    against: Between | None = None,
) -> tuple[DriftStep, ...]:
    """The drift of a deployment, step by step.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: begin so many seconds ago; None begins with the first window.
        step_seconds: length of a step, rounded up to whole minutes; None makes at most 60 steps. Minutes are kept for
            a week and hours for a year: of what is longer ago a step holds as much.
        against: compare with this stretch of the past, from and to in seconds since the epoch; None compares with the
            training data.

    Returns:
        One entry per step, oldest first, quiet ones too, up to now. In each the champion's rows are looked at; where it
        answered none, those of the version that answered most. Empty when nothing was ever asked.

    Raises:
        NotFoundError: there is no such deployment.
        DataError: nothing was answered in `against`.
    """
    name, now = str(deployment), time.time()
    folder = folder_of(ws, name)
    begin = observe(ws, name, step=WHOLE).begin
    if begin is None:
        return ()
    begin = begin if since is None else now - since
    step = step_of(now - begin, step_seconds)
    windows = observe(ws, name, since=begin, step=step).windows
    references = functools.cache(functools.partial(reference_of, ws, folder))
    champion = champion_of(folder)
    past = past_of(ws, name, champion or "", against)
    last = max([now, *(span.start for span in windows)])
    return tuple(
        _step(start, seconds, counts, references, champion, past)
        for start, seconds, counts in steps(windows, begin, last, step)
    )


def _step(
    start: int, seconds: float, counts: Counts, references: _References, champion: str | None, past: ModelCounts | None
) -> DriftStep:
    version = champion if champion in counts.models else _busiest(counts)
    reference = references(version) if version else None
    if version is None or reference is None:
        return DriftStep(start, seconds, version, _NOTHING)
    found = compared(counts.models[version], reference, past if version == champion else None)
    return DriftStep(start, seconds, version, found)


def _busiest(counts: Counts) -> str | None:
    return max(counts.models, key=lambda version: counts.models[version].rows, default=None)


def histograms(
    ws: Workspace, deployment: Deployment | str, since: float | None = None, against: Between | None = None
) -> tuple[FeatureHistogram, ...]:
    """The counts of each feature of the champion now, beside those of its training data or of the past.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: look at the last so many seconds, in whole windows; None looks at everything.
        against: as in `drift_over_time`.

    Returns:
        One entry per feature that was counted, the prediction last; empty when the champion answered nothing, or its
        reference cannot be read.

    Raises:
        NotFoundError: there is no such deployment.
        DataError: nothing was answered in `against`.
    """
    name = str(deployment)
    folder = folder_of(ws, name)
    version = champion_of(folder)
    reference = reference_of(ws, folder, version) if version else None
    counts = observe(ws, name, None if since is None else time.time() - since, WHOLE).since(None)
    if version is None or reference is None or version not in counts.models:
        return ()
    past = past_of(ws, name, version, against)
    before = reference if past is None else past.like(reference)
    now = counts.models[version].like(reference)
    both = [(one, before.features[one], now.features[one]) for one in before.features if one in now.features]
    if before.prediction is not None and now.prediction is not None:
        both.append((PREDICTION, before.prediction, now.prediction))
    return tuple(_histogram(*one) for one in both)


def _histogram(name: str, before: Distribution, now: Distribution) -> FeatureHistogram:
    places = len(before.categories) if before.kind == "category" else len(before.edges) + 1
    old, new = (counts_of(one).tolist() for one in (before, now))
    unseen = (old[places], new[places]) if before.kind == "category" else (0, 0)
    return FeatureHistogram(
        *(name, before.kind, before.edges, before.categories),
        *(tuple(old[:places]), tuple(new[:places]), old[-1], new[-1], *unseen),
    )
