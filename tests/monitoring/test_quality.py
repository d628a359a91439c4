"""How often a deployed model is right, by labels and by an estimate."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from judging import predict, tell, uuid_at

from lepton_nb.errors import NotFoundError
from lepton_nb.monitoring import as_counted, quality
from lepton_nb.scores import Tally, classification_scores
from lepton_nb.workspace import write_json

NOW = time.time()  # each test sets its own: see conftest


def judged(one, count, *, seed=0, at=None, right=None, version=None):
    """Predictions of a calibrated model and their true labels: probabilities, classes, ids and rows."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.2, 1.2, count)
    y = (rng.random(count) < p).astype(int)
    if right is not None:
        y = np.where(rng.random(count) < right, p > 0.5, p <= 0.5).astype(int)
    rows = one.rows(count, seed=seed)
    more = {} if version is None else {"version": version}
    return p, y, predict(one, rows, p, at=at, **more), rows


def write_card(one, p, y):
    """What evaluating would leave in the model's folder."""
    both = np.stack([1 - p, p], axis=1)
    metrics = classification_scores(both, y)
    write_json(one.model / "card.json", {"metrics": metrics, "rows": len(y)})
    write_json(one.model / "heldout.json", {"part": "test", **Tally.of(both, y).to_dict()})


def names(y):
    return [("no", "yes")[place] for place in y]


def test_scores_are_those_of_the_labelled_rows(logged):
    one = logged()
    p, y, ids, _ = judged(one, 600)
    tell(one, zip(ids[:400], names(y[:400]), strict=True))
    found = quality(one.ws, one.name)
    expected = classification_scores(np.stack([1 - p, p], axis=1)[:400], y[:400])
    assert (found.predictions, found.labelled, found.unmatched, found.version) == (600, 400, 0, "demo:v1")
    assert found.accuracy == pytest.approx(expected["accuracy"])
    assert found.f1 == pytest.approx(expected["f1"])
    assert found.roc_auc == pytest.approx(expected["roc_auc"], abs=2e-3)
    assert found.log_loss == pytest.approx(expected["log_loss"])
    assert found.calibration_error == pytest.approx(expected["calibration_error"])
    guess = p[:400] > 0.5
    both = (guess & (y[:400] == 1)).sum()
    assert found.f1_positive == pytest.approx(2 * both / (guess.sum() + y[:400].sum()))
    assert sum(map(sum, found.confusion)) == 400


def test_without_labels_the_accuracy_is_estimated_and_said_to_be(logged):
    one = logged()
    rng = np.random.default_rng(3)
    held = rng.beta(1.2, 1.2, 3000)
    write_card(one, held, (rng.random(3000) < held).astype(int))
    p, y, _, _ = judged(one, 2000, seed=7)
    found = quality(one.ws, one.name)
    true = float(((p > 0.5) == y).mean())
    assert (found.labelled, found.accuracy, found.expected_from) == (0, None, "held-out rows")
    assert found.expected_low < true < found.expected_high
    assert found.expected_accuracy == pytest.approx(true, abs=0.02)
    text = found.as_text()
    assert "an estimate from confidence on held-out rows" in text
    assert "accuracy  " not in text.replace("expected accuracy", "")


def test_without_held_out_rows_labelled_traffic_calibrates_and_few_labels_do_not(logged):
    one = logged()
    _, y, ids, _ = judged(one, 1000)
    tell(one, zip(ids[:100], names(y[:100]), strict=True))
    assert quality(one.ws, one.name).expected_accuracy is None
    tell(one, zip(ids[:400], names(y[:400]), strict=True))
    assert quality(one.ws, one.name).expected_from == "labelled traffic"


def test_a_fall_below_the_card_has_a_p_value(logged):
    one = logged()
    rng = np.random.default_rng(3)
    held = rng.beta(1.2, 1.2, 1000)
    write_card(one, held, (rng.random(1000) < held).astype(int))
    _, y, ids, _ = judged(one, 300, right=0.5)
    tell(one, zip(ids, names(y), strict=True))
    found = quality(one.ws, one.name)
    assert found.card_rows == 1000
    assert found.fell < 1e-4
    assert found.accuracy < found.card_accuracy - 0.1


def test_the_worst_segment_is_named_with_its_size(logged):
    one = logged()
    p, _, ids, rows = judged(one, 500)
    cities = [row["city"] for row in rows]
    truth = [("no", "yes")[int((p[i] > 0.5) ^ (cities[i] == "rome" and i % 2 == 0))] for i in range(500)]
    tell(one, zip(ids, truth, strict=True))
    worst = quality(one.ws, one.name).worst_segment
    rome = [i for i in range(500) if cities[i] == "rome"]
    assert (worst.column, worst.value, worst.labelled) == ("city", "rome", len(rome))
    assert worst.accuracy == pytest.approx(np.mean([i % 2 for i in rome]))
    assert f"city = rome: accuracy {worst.accuracy:.4g} of {len(rome)} rows" in quality(one.ws, one.name).as_text()


def test_missing_and_unseen_values_are_segments_of_their_own(logged):
    one = logged()
    rows = [{"age": 1.0, "city": city} for city in (None, "lima", "oslo") for _ in range(40)]
    ids = predict(one, rows, [0.9] * 120)
    tell(one, [(identifier, "yes") for identifier in ids])
    found = {str(one) for one in quality(one.ws, one.name).segments}
    assert found == {"city = (missing)", "city = (unseen)", "city = oslo"}


def test_it_is_told_over_time_and_by_version(logged):
    one = logged()
    for step, right in enumerate((1.0, 1.0, 0.0)):
        _, y, ids, _ = judged(one, 60, seed=step, at=NOW - 3 * 3600 + 3600 * step, right=right)
        tell(one, zip(ids, names(y), strict=True))
    assert quality(one.ws, one.name).labelled == 180
    _, y, ids, _ = judged(one, 60, seed=9, at=NOW - 60, right=1.0, version="demo:v2")
    one.promote("demo:v2")
    tell(one, zip(ids, names(y), strict=True))
    first = quality(one.ws, one.name, version="demo:v1")
    assert (first.labelled, first.accuracy) == (180, pytest.approx(2 / 3))
    accuracies = [step.accuracy for step in first.steps if step.version == "demo:v1"]
    assert accuracies == [1.0, 1.0, 0.0]
    assert [step.version for step in first.steps][-1] == "demo:v2"
    second = quality(one.ws, one.name)
    assert (second.version, second.labelled, second.accuracy) == ("demo:v2", 60, 1.0)
    recent = quality(one.ws, one.name, since=90 * 60, version="demo:v1")
    assert (recent.labelled, recent.accuracy) == (60, 0.0)


def test_a_viewer_reads_what_was_joined_and_never_the_log(logged):
    one = logged()
    _, y, ids, _ = judged(one, 100)
    tell(one, zip(ids[:60], names(y[:60]), strict=True))
    assert quality(one.ws, one.name).labelled == 60
    tell(one, zip(ids[60:], names(y[60:]), strict=True))
    with as_counted():
        assert quality(one.ws, one.name).labelled == 60
    assert quality(one.ws, one.name).labelled == 100


def test_nothing_is_known_of_a_deployment_that_was_never_asked(logged):
    one = logged()
    found = quality(one.ws, one.name)
    assert (found.labelled, found.predictions, found.accuracy, found.steps) == (0, 0, None, ())
    json.dumps(found.to_json())
    with pytest.raises(NotFoundError, match="there is no deployment"):
        quality(one.ws, "other")


def test_of_numbers_the_errors_are_told(logged, tmp_path):
    from lepton_nb.monitoring import feedback, labelled
    from lepton_nb.runtime import Output, Signature

    one = logged()
    answer = Output("price")
    (one.model / "signature.json").write_text(
        json.dumps(Signature("regression", (), one.signature.inputs, outputs=(answer,)).to_dict())
    )
    predicted, truth = [1.0, 2.5, -3.0, 10.0], [1.5, 2.0, -1.0, 4.0]
    ids = [uuid_at(NOW) for _ in predicted]
    rows = one.rows(4)
    lines = [
        {
            "format": 1,
            "id": i,
            "time": NOW,
            "slot": "champion",
            "version": one.version,
            "inputs": row,
            "latency_ms": 1.0,
        }
        | {"outputs": {"price": value}}
        for i, row, value in zip(ids, rows, predicted, strict=True)
    ]
    (one.folder / "log-1-1.jsonl").write_text("".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines))
    assert feedback(one.ws, one.name, dict(zip(ids, [*truth[:3], 0.0], strict=True))).joined == 4
    # One is corrected later.
    feedback(one.ws, one.name, {ids[3]: 4.0})
    errors = np.array(predicted) - truth
    found = quality(one.ws, one.name)
    assert (found.labelled, found.accuracy) == (4, None)
    assert found.mae == pytest.approx(np.abs(errors).mean())
    assert found.rmse == pytest.approx(np.sqrt((errors**2).mean()))
    assert [step.error for step in found.steps] == [pytest.approx(found.mae)]
    assert [step.rmse for step in found.steps] == [pytest.approx(found.rmse)]
    assert "mean absolute error" in found.as_text()
    table = labelled(one.ws, one.name)
    assert dict(zip(table["value"].to_pylist(), map(float, table["truth"].to_pylist()), strict=True)) == dict(
        zip(predicted, truth, strict=True)
    )


def test_every_score_is_told_over_time_and_by_segment(logged):
    one = logged()
    told = []
    for step in range(2):
        p, y, ids, rows = judged(one, 400, seed=step, at=NOW - 7200 + 3600 * step)
        tell(one, zip(ids, names(y), strict=True))
        told.append((p, y, np.array([row["city"] for row in rows])))
    found = quality(one.ws, one.name)
    for (p, y, _), step in zip(told, found.steps, strict=True):
        expected = classification_scores(np.stack([1 - p, p], axis=1), y)
        assert (step.labelled, step.accuracy) == (400, pytest.approx(expected["accuracy"]))
        assert step.f1 == pytest.approx(expected["f1"])
        assert step.log_loss == pytest.approx(expected["log_loss"])
        assert step.calibration_error == pytest.approx(expected["calibration_error"])
        assert step.roc_auc == pytest.approx(expected["roc_auc"], abs=2e-3)
    p, y, cities = (np.concatenate(parts) for parts in zip(*told, strict=True))
    assert {str(segment) for segment in found.segments} == {f"city = {city}" for city in np.unique(cities)}
    for segment in found.segments:
        chosen = cities == segment.value
        expected = classification_scores(np.stack([1 - p, p], axis=1)[chosen], y[chosen])
        assert segment.f1 == pytest.approx(expected["f1"])
        assert segment.log_loss == pytest.approx(expected["log_loss"])
        assert segment.calibration_error == pytest.approx(expected["calibration_error"])
        assert segment.roc_auc == pytest.approx(expected["roc_auc"], abs=1e-2)
    assert found.to_json()["steps"][0]["roc_auc"] == found.steps[0].roc_auc
    assert found.to_json()["segments"][0]["log_loss"] == found.segments[0].log_loss


def test_a_segment_whose_rows_were_counted_before_has_its_accuracy_only(logged):
    one = logged()
    _, y, ids, _ = judged(one, 300)
    tell(one, zip(ids[:200], names(y[:200]), strict=True))
    quality(one.ws, one.name)
    (path,) = (one.folder / "labels").glob("*.sums.json")
    value = json.loads(path.read_bytes())
    for window in value["windows"]:
        del window["tally"]["columns"]
    path.write_text(json.dumps(value))
    tell(one, zip(ids[200:], names(y[200:]), strict=True))
    found = quality(one.ws, one.name)
    assert (found.labelled, found.segments[0].f1, found.segments[0].log_loss) == (300, None, None)
    assert 0 < found.segments[0].accuracy < 1
    assert found.f1 is not None
