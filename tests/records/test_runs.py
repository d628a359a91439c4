import dataclasses
import json
from pathlib import Path

import pytest

from lepton_nb.records import Comparison, Metrics, Run

RUN = Run("a" * 32, "one", "finished", "mlp", "d" * 64, 5.0, 65.0, {}, Metrics(), {}, Path("/x"))


def run(name="one", **values):
    return dataclasses.replace(RUN, name=name, **values)


def rows(comparison):
    return {row[0]: row[1:] for row in comparison.table().rows}


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ("finished", ""),
        ("failed", "next: lepton resume one"),
        ("stopped", "next: lepton resume one"),
        ("running", "next: lepton attach one, or lepton stop one"),
    ],
)
def test_a_run_says_what_can_be_done_next(status, note) -> None:
    assert run(status=status).table().note == note


def test_runs_stand_side_by_side_with_the_best_marked_by_a_word() -> None:
    one = run(metrics=Metrics({"val_loss": 0.5, "val_acc": 0.75, "odd": 1.0, "nan": float("nan")}))
    two = run("two", id="b" * 32, status="failed", metrics=Metrics({"val_loss": 0.25, "val_acc": 0.5, "odd": 2.0}))
    comparison = Comparison((one, two))
    assert comparison.table().columns == ("", "one", "two")
    told = rows(comparison)
    assert told["id"] == ("a" * 8, "b" * 8)
    assert told["status"] == ("finished", "failed")
    assert told["time"] == ("1 min 0 s", "1 min 0 s")
    assert told["val_loss"] == (0.5, "0.25 best")
    assert told["val_acc"] == ("0.75 best", 0.5)
    assert told["odd"] == (1.0, 2.0)
    assert told["nan"][1] is None


def test_what_is_equal_is_not_the_best_and_equal_bests_are_both() -> None:
    made = [run(metrics=Metrics({"loss": loss, "f1": 1.0})) for loss in (0.5, 0.5, 0.75)]
    told = rows(Comparison(tuple(made)))
    assert told["loss"] == ("0.5 best", "0.5 best", 0.75)
    assert told["f1"] == (1.0, 1.0, 1.0)


def test_only_parameters_that_differ_are_shown_and_the_others_are_counted() -> None:
    same = {"epochs": "3", "seed": "0"}
    one, two = run(params={**same, "lr": "0.1"}), run("two", params={**same, "lr": "0.2", "net.hidden": "[8]"})
    comparison = Comparison((one, two))
    told = rows(comparison)
    assert {name for name in told if name.startswith("param")} == {"param lr", "param net.hidden"}
    assert told["param net.hidden"] == (None, "[8]")
    assert comparison.table().note == "2 more parameters are the same"
    assert Comparison((one, run(params={"seed": "0", "lr": "1"}))).table().note == "1 more parameter is the same"
    assert Comparison((RUN, RUN)).table().note == ""


def test_runs_of_one_name_are_told_apart() -> None:
    comparison = Comparison((RUN, run(id="b" * 32)))
    assert comparison.table().columns == ("", "one (aaaaaaaa)", "one (bbbbbbbb)")


def test_the_picture_is_shown_in_a_notebook_and_left_out_of_json() -> None:
    comparison = Comparison((RUN, run("<b>two")), "loss", "<svg></svg>")
    html = comparison._repr_mimebundle_()["text/html"]
    assert html.endswith("<svg></svg>")
    assert "&lt;b&gt;two" in html
    assert "svg" not in comparison.as_text()
    body = json.loads(json.dumps(comparison.to_json()))
    assert sorted(body) == ["metric", "runs"]
