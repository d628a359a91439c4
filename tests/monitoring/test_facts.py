"""What rules may ask about a deployment, and what is not known yet."""

from __future__ import annotations

import numpy as np
import pytest
from judging import predict, tell

from lepton_nb.errors import RuleError
from lepton_nb.monitoring import facts, quality
from lepton_nb.monitoring.facts import FUNCTIONS, NAMES
from lepton_nb.rules import UNKNOWN, holds


def test_every_name_and_function_is_there_from_the_beginning(logged):
    one = logged()
    values, functions = facts(one.ws, one.name)
    assert set(values) == {*NAMES, "age", "city", "prediction"}
    assert set(functions) == set(FUNCTIONS)
    known = {name: value for name, value in values.items() if value is not UNKNOWN}
    assert known == {
        "age": "age",
        "city": "city",
        "prediction": "prediction",
        "verdict": "healthy",
        "requests": 0,
        "predictions": 0,
        "labelled": 0,
    }


@pytest.mark.parametrize(
    "rule",
    ["drifting or quality < 0.9", "not drifting", "accuracy < 0.9", "psi(age) > 0.2", "errors > 0", "p95_ms > 1"],
)
def test_before_anything_is_known_no_rule_holds(logged, rule):
    one = logged()
    assert holds(rule, *facts(one.ws, one.name)) is None


def test_few_labels_tell_no_quality(logged):
    one = logged()
    ids = predict(one, one.rows(60), [0.9] * 60)
    tell(one, [(identifier, "no") for identifier in ids[:49]])
    values, functions = facts(one.ws, one.name)
    assert values["labelled"] == 49
    assert holds("quality < 0.9", values, functions) is None
    assert holds("labelled > 40 and accuracy < 0.9", values, functions) is None
    tell(one, [(ids[49], "no")])
    assert holds("quality < 0.9", *facts(one.ws, one.name)) is True


def test_values_are_those_of_the_state_and_the_quality(logged):
    one = logged()
    rng = np.random.default_rng(0)
    p = rng.random(300)
    ids = predict(one, one.rows(300, shift=15), p)
    one.fail()
    tell(one, [(i, "yes" if rng.random() < q else "no") for i, q in zip(ids, p, strict=True)])
    values, functions = facts(one.ws, one.name)
    known = quality(one.ws, one.name)
    assert (values["drifting"], values["verdict"]) == (True, "drifting")
    assert (values["requests"], values["predictions"], values["labelled"]) == (2, 300, 300)
    assert values["errors"] == 0.5
    assert values["p50_ms"] == pytest.approx(2.0, rel=0.06)
    assert values["quality"] == values["accuracy"] == known.accuracy
    assert (values["f1"], values["auc"], values["log_loss"]) == (known.f1, known.roc_auc, known.log_loss)
    assert values["worst_segment"] == known.worst_segment.accuracy
    assert holds("psi(age) > 0.2 and js(age) > 0.1 and ks(age) > 0.2 and missing(age) == 0", values, functions)
    assert holds("unseen(city) == 0 and psi(city) < 0.1 and psi('age') == psi(age)", values, functions)
    assert holds("psi(prediction) >= 0", values, functions)


def test_a_rule_that_asks_for_what_there_is_not_is_told_so(logged):
    one = logged()
    predict(one, one.rows(150), [0.9] * 150)
    values, functions = facts(one.ws, one.name)
    with pytest.raises(RuleError, match=r"'agee' is not known.*did you mean 'age'"):
        holds("psi(agee) > 0.2", values, functions)
    with pytest.raises(RuleError, match=r"there is no feature 'agee'.*did you mean 'age'"):
        holds("psi('agee') > 0.2", values, functions)
    with pytest.raises(RuleError, match="ks is of a number, and city is a category"):
        holds("ks(city) > 0.2", values, functions)
    with pytest.raises(RuleError, match="'pis' is no function"):
        holds("pis(age) > 0.2", values, functions)
