"""On traffic from the training distribution hardly a window reads drifting: from the log's lines to the verdict."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lepton_nb.drift import MINIMUM_ROWS, drift
from lepton_nb.monitoring import drift_over_time, observe
from lepton_nb.runtime import Distribution, Input, Reference
from lepton_nb.scores import count_category, count_number, edges_of

MINUTE = 60


def window(one, rng, rows: int) -> None:
    """The law of the reference: `LoggedDeployment.rows`, and its classes."""
    seed = int(rng.integers(2**31))
    labels = [("no", "yes")[place] for place in rng.integers(0, 2, rows)]
    one.answer(one.rows(rows, seed=seed), at=one.at, labels=labels)
    one.at += MINUTE


def alarms_of(one, windows: int, rows: int, seed: int) -> tuple[int, int]:
    """Steps that read drifting, and steps with a verdict."""
    rng = np.random.default_rng(seed)
    one.at = time.time() // MINUTE * MINUTE - windows * MINUTE
    for _ in range(windows):
        window(one, rng, rows)
    steps = [step.drift for step in drift_over_time(one.ws, one.name, step_seconds=MINUTE)]
    judged = [step.drifted for step in steps if step.drifted is not None]
    assert observe(one.ws, one.name).broken == 0
    return sum(judged), len(judged)


def inputs_of(columns: int) -> tuple[Input, ...]:
    numbers = tuple(Input(f"n{place}", "number") for place in range(columns))
    return (*numbers, Input("city", "category", categories=("oslo", "rome")))


def test_minutes_of_a_served_model_read_drifting_in_at_most_one_of_a_hundred(logged):
    one = logged(inputs=inputs_of(6))
    alarms, judged = alarms_of(one, 100, MINIMUM_ROWS, seed=0)
    assert judged == 100
    assert alarms <= 1


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rows", [100, 250])
def test_of_a_thousand_minutes_of_a_deployment_at_most_ten_read_drifting(logged, rows):
    one = logged(inputs=inputs_of(10))
    alarms, judged = alarms_of(one, 1000, rows, seed=1)
    print(f"{alarms} of {judged} windows of {rows} rows read drifting")
    assert judged == 1000
    assert alarms <= 10


def laws(rng, rows: int) -> dict[str, np.ndarray]:
    """Columns as they come: smooth, skewed, rounded, mostly zero, with gaps, rare categories."""
    gaps = rng.normal(size=rows)
    gaps[rng.random(rows) < 0.05] = np.nan
    return {
        "normal": rng.normal(size=rows),
        "skewed": rng.lognormal(0, 1, rows),
        "rounded": np.round(rng.normal(size=rows), 1),
        "zeros": np.where(rng.random(rows) < 0.8, 0.0, rng.exponential(size=rows)),
        "count": rng.poisson(2, rows).astype(float),
        "gaps": gaps,
        "rare": rng.choice(np.array(["a", "b", "c", ""], object), rows, p=[0.9, 0.08, 0.01, 0.01]),
        "names": np.array([f"v{place}" for place in rng.geometric(0.2, rows)], object),
    }


def counted(columns: dict[str, np.ndarray], like: Reference | None) -> Reference:
    features = {}
    for name, values in columns.items():
        if values.dtype == object:
            known = like.features[name].categories if like else tuple(sorted(set(values) - {""}))
            counts = count_category(values, known)
            one = Distribution("category", tuple(counts.tolist()), categories=known, missing=int((values == "").sum()))
        else:
            edges = like.features[name].edges if like else tuple(edges_of(values).tolist())
            counts = count_number(values, edges)
            one = Distribution("number", tuple(counts.tolist()), edges, missing=int(np.isnan(values).sum()))
        features[name] = one
    rows = len(next(iter(columns.values())))
    return Reference(features, Distribution("category", (rows, 0), categories=("a", "b")), rows)


def alarms_of_laws(references: int, windows: int, seed: int) -> dict[int, float]:
    rng = np.random.default_rng(seed)
    found = {}
    for rows in (100, 300, 1000):
        alarms = 0
        for _ in range(references):
            reference = counted(laws(rng, 2000), None)
            alarms += sum(bool(drift(reference, counted(laws(rng, rows), reference)).drifted) for _ in range(windows))
        found[rows] = alarms / (references * windows)
    return found


def test_columns_of_all_shapes_seldom_read_drifting():
    assert max(alarms_of_laws(5, 20, seed=0).values()) <= 0.01


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_of_a_thousand_windows_of_all_shapes_at_most_ten_read_drifting():
    found = alarms_of_laws(20, 50, seed=1)
    print(found)
    assert max(found.values()) <= 0.01
