"""Ordinary traffic reads ordinary, shifted traffic reads drifting: measured on real splits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from lepton_nb.drift import ALPHA, MINIMUM_ROWS, drift
from lepton_nb.errors import FormatError
from lepton_nb.monitoring.offline import reference_of
from lepton_nb.runtime import Distribution, Input, Reference, Signature
from lepton_nb.runtime.summary import features_of
from lepton_nb.scores import count_number, edges_of

SEEDS = 20


class Split:
    """Training rows as a reference and the held-out rows of one seed, without a network."""

    def __init__(self, source: str, seed: int) -> None:
        loaded = load_digits() if source == "digits" else load_breast_cancer()
        rows, self.seed = loaded.data, seed
        labels = np.array([str(name) for name in loaded.target_names], dtype=object)[loaded.target]
        if source == "digits":
            inputs: tuple[Input, ...] = (Input("input", "array", (1, 8, 8)),)
        else:
            inputs = tuple(Input(str(name), "number") for name in loaded.feature_names)
        self.signature = Signature("classification", tuple(map(str, loaded.target_names)), inputs)
        places = np.arange(len(rows))
        rest, test = train_test_split(places, test_size=0.2, stratify=labels, random_state=seed)
        train, _ = train_test_split(rest, test_size=0.125, stratify=labels[rest], random_state=seed)
        self.train, self.held_out, self.held_out_labels = rows[train], rows[test], labels[test]
        features = self.features(self.train)
        distributions = {}
        for name, values in features.items():
            edges = edges_of(values)
            counts = tuple(count_number(values, edges).tolist())
            distributions[name] = Distribution("number", counts, edges=tuple(edges.tolist()))
        classes = self.signature.classes
        predicted = tuple(int((labels[train] == name).sum()) for name in classes)
        prediction = Distribution("category", predicted, categories=classes)
        self.reference = Reference(distributions, prediction, len(train))

    def features(self, rows):
        if self.signature.inputs[0].kind == "array":
            return features_of({"input": rows.reshape(-1, 1, 8, 8).astype(np.float32)}, self.signature)
        columns = {one.name: rows[:, place] for place, one in enumerate(self.signature.inputs)}
        return features_of(columns, self.signature)

    def verdict(self, change=None, count=None):
        rows = self.held_out[:count].copy()
        rows = rows if change is None else change(rows, np.random.default_rng(self.seed), self.train)
        return drift(self.reference, reference_of(self.features(rows), self.held_out_labels[:count], self.reference))


@pytest.fixture(scope="module", params=["breast_cancer", "digits"])
def splits(request):
    return request.param, [Split(request.param, seed) for seed in range(SEEDS)]


def scaled(columns, factor):
    def change(rows, rng, train):
        rows[:, columns] *= factor
        return rows

    return change


def moved(columns, deviations):
    def change(rows, rng, train):
        rows[:, columns] += deviations * train.std(axis=0)[columns]
        return rows

    return change


SHIFTS = {
    "breast_cancer": {
        "three columns times 1.5": scaled([0, 2, 3], 1.5),
        "three columns times 1.2": scaled([0, 2, 3], 1.2),
        "one column by one standard deviation": moved([4], 1.0),
        "three columns by one standard deviation": moved([1, 4, 8], 1.0),
    },
    "digits": {
        "inverted": lambda rows, rng, train: 16 - rows,
        "brighter": lambda rows, rng, train: np.clip(rows + 2, 0, 16),
        "darker": lambda rows, rng, train: rows * 0.7,
        "noisy": lambda rows, rng, train: np.clip(rows + rng.normal(0, 2, rows.shape), 0, 16),
        "one pixel aside": lambda rows, rng, train: np.roll(rows.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64),
    },
}


def test_held_out_rows_read_ordinary(splits):
    _, seeds = splits
    assert sum(bool(one.verdict().drifted) for one in seeds) <= 1
    assert all(one.verdict().drifted is not None for one in seeds)


def test_shifted_rows_read_drifting(splits):
    source, seeds = splits
    for title, change in SHIFTS[source].items():
        found = [one.verdict(change).drifted for one in seeds]
        assert all(found), f"{source} {title}: found in {sum(found)} of {SEEDS} splits"


def test_the_smallest_sample_with_a_verdict_keeps_the_false_alarms_rare(splits):
    _, seeds = splits
    assert sum(bool(one.verdict(count=MINIMUM_ROWS).drifted) for one in seeds) <= 1


def test_the_moved_columns_come_first_with_the_threshold_they_passed():
    found = Split("breast_cancer", 0).verdict(moved([4], 2.0))
    first = found.features[0]
    assert (first.name, first.drifted, found.verdict) == ("mean smoothness", True, "drifting")
    assert first.adjusted < ALPHA
    assert [one.drifted for one in found.features].count(True) == 1


def test_windows_drawn_from_the_training_law_alarm_in_about_one_of_a_hundred():
    rng = np.random.default_rng(0)
    columns = [f"c{i}" for i in range(8)]
    alarms, windows = 0, 300
    for _ in range(windows // 10):
        train = rng.standard_normal((500, 8))
        edges = [edges_of(train[:, i]) for i in range(8)]
        reference = _reference(train, edges, columns)
        for _ in range(10):
            alarms += bool(drift(reference, _reference(rng.standard_normal((200, 8)), edges, columns)).drifted)
    assert alarms / windows <= 0.02


def _reference(rows, edges, columns):
    features = {
        name: Distribution("number", tuple(count_number(rows[:, i], edges[i]).tolist()), edges=tuple(edges[i]))
        for i, name in enumerate(columns)
    }
    return Reference(features, Distribution("category", (len(rows), 0), categories=("a", "b")), len(rows))


def _one(before: Distribution, now: Distribution):
    same = Distribution("category", (1, 1), categories=("a", "b"))
    rows = sum(now.counts) + now.missing
    return drift(Reference({"x": before}, same, 1000), Reference({"x": now}, same, rows))


def test_too_few_rows_give_no_verdict_however_far_they_moved():
    before, now = Distribution("number", (500, 500), (0.0,)), Distribution("number", (0, 99), (0.0,))
    found = _one(before, now)
    assert (found.drifted, found.verdict, found.features[0].drifted) == (None, "too few rows", False)


def test_a_difference_too_small_to_matter_is_no_drift_however_certain():
    before, now = Distribution("number", (500_000, 500_000), (0.0,)), Distribution("number", (510_000, 490_000), (0.0,))
    found = _one(before, now)
    assert found.features[0].p_value < 1e-6
    assert found.drifted is False


def test_values_that_go_missing_are_drift():
    tenths = (100,) * 10
    edges = tuple(range(9))
    before = Distribution("number", tenths, edges)
    assert _one(before, Distribution("number", (10,) * 10, edges)).drifted is False
    assert _one(before, Distribution("number", (9,) * 10, edges, missing=10)).drifted is True


def test_a_category_never_seen_is_drift():
    before = Distribution("category", (900, 100, 0), categories=("a", "b"))
    assert _one(before, Distribution("category", (180, 20, 0), categories=("a", "b"))).drifted is False
    assert _one(before, Distribution("category", (170, 18, 12), categories=("a", "b"))).drifted is True


def test_a_constant_that_stays_is_ordinary_and_one_that_moves_is_drift():
    before = Distribution("number", (0, 1000, 0), (4.9, 5.1))
    assert _one(before, Distribution("number", (0, 200, 0), (4.9, 5.1))).drifted is False
    assert _one(before, Distribution("number", (0, 150, 50), (4.9, 5.1))).drifted is True


def test_psi_and_distance_are_the_textbook_values():
    found = _one(Distribution("number", (500, 500), (0.0,)), Distribution("number", (300, 100), (0.0,))).features[0]
    assert found.psi == pytest.approx(0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5))
    p, q, m = np.array([0.5, 0.5]), np.array([0.75, 0.25]), np.array([0.625, 0.375])
    divergence = (p * np.log2(p / m)).sum() / 2 + (q * np.log2(q / m)).sum() / 2
    assert found.js == pytest.approx(np.sqrt(divergence))
    assert 0 < found.effect < found.js


def test_counts_of_other_bins_are_refused():
    with pytest.raises(FormatError, match=r"feature 'x' .* expected 2 bins|feature 'x'"):
        _one(Distribution("number", (5, 5), (0.0,)), Distribution("number", (5, 5, 5), (0.0, 1.0)))
