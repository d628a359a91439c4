"""Records of bulk requests become counts, as lines do."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from ..runtime import FORMAT, RequestError
from ..scores import latency_histogram
from .batches import shown
from .binning import Bins, bin_answers, bin_features, count_outside, count_sure
from .counts import Counts, ModelCounts
from .lines import SECONDS, Batch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["count_records"]


def count_records(content: bytes, bins: Callable[[str], Bins | None]) -> tuple[Batch, int]:
    """Count the whole records of a bulk log into windows.

    Args:
        content: of the file, from the start of a record on.
        bins: where the rows of a version are counted; None counts them without features.

    Returns:
        What they held, and the bytes that were read.

    Raises:
        FormatError: a record has a newer format than this version reads.
    """
    from ..runtime.bulk import records

    batch, read = Batch({}, 0, None), 0
    for head, given, answer, end in records(content):
        read = end
        try:
            start, counts = _counted(head, given, answer, bins)
        except (RequestError, ValueError, TypeError, KeyError):
            batch.broken += 1
            continue
        batch.windows.setdefault(start, Counts()).add(counts)
    return batch, read


def _counted(
    head: Mapping[str, Any], given: bytes, answer: bytes, bins: Callable[[str], Bins | None]
) -> tuple[int, Counts]:
    import pyarrow as pa

    from ..runtime.embedding import answer_features, output_features

    if int(head["format"]) > FORMAT:
        raise FormatError(
            f"the prediction log has records of format {head['format']}",
            expected=f"format {FORMAT} or older",
            hint="upgrade lepton_nb to the version that serves this deployment",
        )
    version = str(head["version"])
    answers = pa.ipc.open_stream(io.BytesIO(answer)).read_all()
    probabilities = _probabilities(answers)
    model = ModelCounts(answers.num_rows, _labels(answers), confidence=count_sure(probabilities))
    if (found := bins(version)) is not None:
        if not model.labels:
            model.answers = bin_answers(answers.column(1).to_pylist(), found.reference)
        answered = answer_features(probabilities) if len(probabilities) else output_features(_numbers(answers))
        features = _features(head, given, found) | answered
        model.features = bin_features(features, found.reference)
        model.outside = count_outside(features, found.signature)
    counts = Counts(models={version: model})
    if not head.get("shadow"):
        counts.requests, counts.latency = 1, latency_histogram([float(head["latency_ms"])])
    return int(float(head["time"]) // SECONDS) * SECONDS, counts


def _labels(answers: pa.Table) -> Counter[str]:
    if "label" not in answers.column_names:
        return Counter()
    counted = answers.column("label").value_counts().to_pylist()
    return Counter({str(one["values"]): int(one["counts"]) for one in counted})


def _probabilities(answers: pa.Table) -> NDArray[np.float32]:
    """[N, C], or [0, 0] where the model tells none."""
    if not answers.num_rows or "probabilities" not in answers.column_names:
        return np.empty((0, 0), np.float32)
    flat = answers.column("probabilities").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    found: NDArray[np.float32] = flat.reshape(answers.num_rows, -1)
    return found


def _numbers(answers: pa.Table) -> dict[str, NDArray[Any]]:
    """The outputs that are a number each, without the id; none where the model tells a class."""
    import pyarrow as pa

    if "label" in answers.column_names:
        return {}
    return {
        name: answers.column(name).to_numpy()
        for name in answers.column_names
        if name != "id" and pa.types.is_floating(answers.column(name).type)
    }


def _features(head: Mapping[str, Any], given: bytes, bins: Bins) -> dict[str, Any]:
    """The features of the columns that are on the log as they were."""
    from ..runtime.columns import NUMPY, from_arrow, from_numpy
    from ..runtime.summary import features_of

    seen = shown(bins.signature, head.get("masked", ()))
    if not seen.inputs:
        return {}
    if head["kind"] == NUMPY:
        return features_of(from_numpy(given, seen), seen, bins.tokenizers)
    # Hashed columns are in the stream as well, and are not looked at.
    return features_of(from_arrow(given, seen, strict=False), seen, bins.tokenizers)
