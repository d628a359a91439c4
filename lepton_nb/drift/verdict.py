"""Has what a model sees moved away from what it was trained on? Pure functions of counts.

Two samples are compared, not a sample with a law: the reference was counted from training rows, in bins cut at
their own quantiles, so its counts are as noisy as those of the traffic. A feature has drifted when chance does not
explain the difference (chi-square, and for numbers Kolmogorov and Smirnov, corrected over the features) and the
difference matters (effect size).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from ..records import Drift, FeatureDrift
from ..runtime import Distribution, Reference
from ..scores import chi_square, corrected, divergence, excess_distance, kolmogorov_smirnov, stability_index

__all__ = ["ALPHA", "EFFECT", "MINIMUM_ROWS", "PREDICTION", "compare", "counts_of", "drift", "judged"]

# The share of ordinary windows that may read `drifting` by chance; measured 0.3 to 0.5 % on held-out rows.
ALPHA = 0.01
# A normal feature that moves by a quarter of its standard deviation has this Jensen-Shannon distance.
EFFECT = 0.1
# Ten bins then expect ten rows each, and a shift of three quarters of a standard deviation is found.
MINIMUM_ROWS = 100
PREDICTION = "prediction"

# Pearson's approximation holds from about five expected rows in each cell (Cochran 1954).
_EXPECTED = 5.0


def counts_of(distribution: Distribution) -> NDArray[np.int64]:
    """The counts of a distribution with the rows that fit no bin at the end, int64.

    Returns:
        One count per bin, for a category then that of unseen values, and last that of missing ones.

    Example:
        >>> counts_of(Distribution("category", (3, 1), categories=("a", "b"), missing=2)).tolist()
        [3, 1, 0, 2]
    """
    unseen = [0] if distribution.kind == "category" and len(distribution.counts) == len(distribution.categories) else []
    return np.array([*distribution.counts, *unseen, distribution.missing], dtype=np.int64)


def drift(reference: Reference, current: Reference) -> Drift:
    """Compare what a model sees now with what it was trained on, or with any earlier window.

    Args:
        reference: counts of the training rows.
        current: counts of the traffic, in the same bins.

    Returns:
        The verdict: drifted when any feature or the predicted class is; None below `MINIMUM_ROWS` rows.

    Raises:
        FormatError: the two were not counted in the same bins.

    Example:
        >>> low, high = Distribution("number", (90, 10), (0.5,)), Distribution("number", (10, 90), (0.5,))
        >>> training, traffic = Reference({"x": low}, low, 100), Reference({"x": high}, low, 100)
        >>> drift(training, training).verdict, drift(training, traffic).verdict
        ('ordinary', 'drifting')
    """
    return judged([compare(name, before, now) for name, before, now in _pairs(reference, current)], current.rows)


def judged(measured: Sequence[FeatureDrift], rows: int) -> Drift:
    """The verdict over features that were compared one by one: their p-values are corrected over all of them.

    Args:
        measured: what `compare` said of each.
        rows: rows of now.
    """
    if not measured:
        # Text in and tensors out: nothing of it is counted.
        return Drift(None, rows, MINIMUM_ROWS, ())
    adjusted = corrected([one.p_value for one in measured])
    enough = rows >= MINIMUM_ROWS
    features = [
        replace(one, adjusted=float(q), drifted=bool(enough and q < ALPHA and one.effect >= EFFECT))
        for one, q in zip(measured, adjusted, strict=True)
    ]
    features.sort(key=lambda one: (-one.drifted, -one.effect, one.adjusted, one.name))
    drifted = any(one.drifted for one in features) if enough else None
    return Drift(drifted, rows, MINIMUM_ROWS, tuple(features))


def _pairs(reference: Reference, current: Reference) -> Iterator[tuple[str, Distribution, Distribution]]:
    predicted = {} if reference.prediction is None else {PREDICTION: reference.prediction}
    for name, before in {**reference.features, **predicted}.items():
        now = current.prediction if name == PREDICTION else current.features.get(name)
        if now is None:
            # Its column is private, or it was not yet counted when these rows were.
            continue
        if len(counts_of(now)) != len(counts_of(before)):
            raise FormatError(
                f"feature {name!r} was not counted in the bins of the training reference",
                expected=f"{len(before.counts)} bins",
                got=f"{len(now.counts)}",
                hint="delete the deployment's windows folder; it is counted again from the prediction log",
            )
        yield name, before, now


@lru_cache(maxsize=4096)
def compare(name: str, before: Distribution, now: Distribution) -> FeatureDrift:
    """One feature, counted in the same bins in both; not yet corrected over the features.

    A window of the past hardly ever changes, and whoever looks at a page looks again: what was compared is remembered.

    Args:
        name: of the feature.
        before: its counts in the reference.
        now: its counts in the traffic.
    """
    table = np.stack([counts_of(before), counts_of(now)])
    rows = table.sum(axis=1)
    if not rows.all():
        return FeatureDrift(name, 0.0, 0.0, 0.0, 1.0, 1.0, drifted=False)
    tests = [_pool(table)]
    # Values that are missing, or that training never saw, are too rare in the reference to be a bin that Pearson's
    # test can use, and too telling to be pooled with others: they are tested by themselves as well.
    strange = table[:, -2:] if before.kind == "category" else table[:, -1:]
    if strange.any():
        tests.append(np.stack([strange.sum(axis=1), rows - strange.sum(axis=1)], axis=1))
    p_values = [_p_value(one) for one in tests]
    ks = kolmogorov_smirnov(*table[:, :-1]) if before.kind == "number" and len(before.counts) > 1 else None
    if ks is not None:
        p_values.append(ks[1])
    return FeatureDrift(
        name,
        stability_index(*table),
        float(np.sqrt(divergence(*table))),
        max(excess_distance(*one) for one in tests),
        min(1.0, len(p_values) * min(p_values)),
        1.0,
        drifted=False,
        ks=None if ks is None else ks[0],
        ks_p_value=None if ks is None else ks[1],
        unseen=float(table[1, -2] / rows[1]) if before.kind == "category" else None,
        missing=float(table[1, -1] / rows[1]),
        out_of_range=None if now.outside is None else float(now.outside / rows[1]),
    )


def _p_value(table: NDArray[np.int64]) -> float:
    if table.shape[1] < 2:
        return 1.0
    if _smallest_expected(table) < _EXPECTED:
        from scipy.stats import fisher_exact

        return float(fisher_exact(table).pvalue)
    return chi_square(*table)


def _smallest_expected(table: NDArray[np.int64]) -> float:
    return float(table.sum(axis=0).min() * table.sum(axis=1).min() / table.sum())


def _pool(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join the two rarest bins until each cell expects enough rows or two bins are left; [2, bins] in and out.

    The rarest are joined, whichever they are, rather than neighbours: categories have no order, and of quantile
    bins hardly any is rare.
    """
    table = table[:, table.sum(axis=0) > 0]
    while table.shape[1] > 2 and _smallest_expected(table) < _EXPECTED:
        table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
        table = np.concatenate([table[:, :2].sum(axis=1, keepdims=True), table[:, 2:]], axis=1)
    return table
