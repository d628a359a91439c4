"""Prediction lines become counts: parsed one by one, counted many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import RequestError
from ..scores import latency_histogram
from .batches import shown
from .binning import Bins, bin_answers, bin_features, count_outside, count_sure
from .counts import Counts, ModelCounts
from .entries import parse_line

__all__ = ["SECONDS", "Batch", "count_entries", "count_lines"]

# The length of a window. Others are whole multiples of it.
SECONDS = 60


@dataclass
class Batch:
    """What a stretch of the log held.

    Args:
        windows: counts per window, by its start in seconds since the epoch.
        broken: lines that are not prediction lines.
        last: time and latency of the last answered request, whose rows may go on in the next stretch.
    """

    windows: dict[int, Counts]
    broken: int
    last: tuple[float, float] | None


def count_lines(
    lines: Sequence[bytes], bins: Callable[[str], Bins | None], last: tuple[float, float] | None = None
) -> Batch:
    """Count prediction lines into windows of `SECONDS`.

    Args:
        lines: whole lines, in the order of one worker's log.
        bins: where the rows of a version are counted; None counts them without features.
        last: the `last` of the lines before these.

    Raises:
        FormatError: a line has a newer format than this version reads.
    """
    entries = [parse_line(line) for line in lines]
    batch = count_entries([one for one in entries if one is not None], bins, last)
    batch.broken += entries.count(None)
    return batch


def count_entries(
    entries: Iterable[dict[str, Any]], bins: Callable[[str], Bins | None], last: tuple[float, float] | None = None
) -> Batch:
    """Count what `parse_line` gives, as `count_lines` does."""
    batch = Batch({}, 0, last)
    rows: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = {}
    latencies: dict[int, list[float]] = {}
    for entry in entries:
        start = int(entry["time"] // SECONDS) * SECONDS
        if "error" in entry:
            batch.windows.setdefault(start, Counts()).add(
                Counts(requests=1, errors=Counter([f"{entry['status']} {entry['error']}"]))
            )
            continue
        rows.setdefault((entry["version"], tuple(entry.get("masked", ()))), []).append(entry)
        if entry.get("shadow"):
            # Nobody waited for it: it is no request.
            continue
        # The rows of one request share its time and its latency, and stand together.
        request = (float(entry["time"]), float(entry["latency_ms"]))
        if request != batch.last:
            latencies.setdefault(start, []).append(request[1])
            batch.last = request
    for start, values in latencies.items():
        answered = Counts(requests=len(values), latency=latency_histogram(values))
        batch.windows.setdefault(start, Counts()).add(answered)
    for (version, masked), some in rows.items():
        _count_version(batch, version, some, _shown(bins(version), masked))
    return batch


def _shown(bins: Bins | None, masked: Sequence[str]) -> Bins | None:
    """The bins of the columns that are on the log as they were."""
    if bins is None or not masked:
        return bins
    return Bins(shown(bins.signature, masked), bins.reference, bins.tokenizers)


def _count_version(batch: Batch, version: str, entries: list[dict[str, Any]], bins: Bins | None) -> None:
    """Count the answered rows of one version; a row that does not fit its signature is broken."""
    features: Mapping[str, NDArray[Any]] = {}
    if bins is not None:
        try:
            features = _features(entries, bins)
        except (RequestError, ValueError, TypeError):
            # Some row does not fit. Halving finds it in few steps, and the others are still counted together.
            if len(entries) == 1:
                batch.broken += 1
                return
            for half in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
                _count_version(batch, version, half, bins)
            return
    starts = np.array([int(entry["time"] // SECONDS) * SECONDS for entry in entries], dtype=np.int64)
    order = np.argsort(starts, kind="stable")
    cuts = np.flatnonzero(np.diff(starts[order])) + 1
    for part in np.split(order, cuts):
        model = ModelCounts(len(part))
        outputs = [entries[place]["outputs"] for place in part]
        model.labels.update(one["label"] for one in outputs if "label" in one)
        model.confidence = count_sure([one["probabilities"] for one in outputs if "probabilities" in one])
        if bins is not None:
            model.answers = bin_answers([next(iter(one.values())) for one in outputs], bins.reference)
            chosen = _known({name: values[part] for name, values in features.items()}, bins)
            model.features = bin_features(chosen, bins.reference)
            model.outside = count_outside(chosen, bins.signature)
        batch.windows.setdefault(int(starts[part[0]]), Counts()).add(Counts(models={version: model}))


def _features(entries: Sequence[Mapping[str, Any]], bins: Bins) -> Mapping[str, NDArray[Any]]:
    from ..runtime.embedding import answer_features, output_features
    from ..runtime.rows import arrays_of
    from ..runtime.summary import features_of

    names = {one.name for one in bins.signature.inputs}
    rows = [entry["inputs"] for entry in entries]
    if "masked" in entries[0]:
        rows = [{name: value for name, value in row.items() if name in names} for row in rows]
    features: Mapping[str, NDArray[Any]] = features_of(arrays_of(rows, bins.signature), bins.signature, bins.tokenizers)
    features = {**features, **_sides(entries, bins)}
    told = entries[0]["outputs"]
    if "label" not in told and len(told) > 1:
        answers = {name: np.array([entry["outputs"][name] for entry in entries]) for name in told}
        features = {**features, **output_features(answers)}
    if "label" in told:
        features = {**features, **answer_features(np.array([entry["outputs"]["probabilities"] for entry in entries]))}
    return features


def _sides(entries: Sequence[Mapping[str, Any]], bins: Bins) -> dict[str, NDArray[np.float64]]:
    """Width and height that pictures were sent with, NaN of those that came as numbers."""
    from ..runtime.pictures import measured
    from ..runtime.summary import sides_names

    found: dict[str, NDArray[np.float64]] = {}
    for one in bins.signature.inputs:
        names = sides_names(one.name)
        if not one.picture or names[0] not in bins.reference.features:
            continue
        pairs = np.full((len(entries), 2), np.nan)
        for row, entry in enumerate(entries):
            value = entry["inputs"][one.name]
            told = entry.get("sides", {}).get(one.name) or (measured(value) if isinstance(value, str) else None)
            pairs[row] = (np.nan, np.nan) if told is None else told
        found |= dict(zip(names, pairs.T, strict=True))
    return found


def _known(features: dict[str, NDArray[Any]], bins: Bins) -> dict[str, NDArray[Any]]:
    """The features without the sides of pictures that came as numbers: these have none, and miss nothing."""
    from ..runtime.summary import sides_names

    for name in (name for one in bins.signature.inputs if one.picture for name in sides_names(one.name)):
        if name in features:
            features[name] = features[name][np.isfinite(features[name])]
            if not len(features[name]):
                del features[name]
    return features
