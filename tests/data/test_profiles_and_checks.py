import json

import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import check, load, profile
from lepton_nb.errors import NotFoundError
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


def plain(rows=100, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "t": np.tile(["x", "y"], rows // 2)})


def problems(ws, frame, target="t"):
    return {(p.level, p.what): p for p in check(ws, frame, target).problems}


def test_a_profile_describes_each_column(ws):
    frame = pd.DataFrame(
        {
            "n": [0.0, 1.0, 2.0, 3.0, 4.0, None],
            "c": ["a", "a", "b", "a", None, "c"],
            "d": pd.date_range("2024-01-01", periods=6),
            "t": [1, 1, 1, 0, 0, 1],
        }
    )
    found = profile(ws, frame, "t")
    number, category, date, target = found.columns
    assert (number.kind, number.missing, number.unique, number.quantiles) == ("number", 1, 5, (0.0, 1.0, 2.0, 3.0, 4.0))
    assert (number.mean, round(number.std, 4), sum(number.counts)) == (2.0, 1.4142, 5)
    assert (category.kind, category.missing, category.unique) == ("category", 1, 3)
    assert category.top == (("a", 3), ("b", 1), ("c", 1))
    assert category.counts == (3, 1, 1)
    assert (date.kind, date.unique, [str(name)[:10] for name, _ in date.top]) == (
        "date",
        6,
        ["2024-01-01", "2024-01-06"],
    )
    assert (target.kind, found.classes, found.rows) == ("number", (("0", 2), ("1", 4)), 6)
    assert not ws.home.exists()


def test_a_profile_reads_as_text_json_and_html(ws):
    frame = plain().rename(columns={"a": "<script>alert(1)</script>"})
    frame["c"] = "<b>&'\""
    found = profile(ws, frame, "t")
    text = found.as_text()
    assert "100 rows, 4 columns" in text
    assert "classes of t: x 50 (50.0%), y 50 (50.0%)" in text
    parsed = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert parsed["columns"][1]["quantiles"] == sorted(parsed["columns"][1]["quantiles"])
    html = found._repr_mimebundle_()["text/html"]
    assert html.count("<svg") == 4
    assert "<script" not in html
    assert "<b>&'" not in html
    assert "&lt;script&gt;" in html


def test_a_profile_without_a_target_says_how_to_name_one(ws):
    assert "pass --target NAME" in str(profile(ws, plain()))
    with pytest.raises(NotFoundError, match="'income' does not exist"):
        profile(ws, plain(), "income")


def test_a_profile_of_a_target_that_holds_no_classes_says_so(ws):
    assert "target a does not hold classes" in str(profile(ws, plain(), "a"))


def test_an_empty_column_and_extreme_numbers_are_described(ws):
    frame = plain()
    frame["none"] = np.nan
    frame["wide"] = np.where(frame.index % 2, 1e308, -1e308)
    frame["inf"] = np.where(frame.index == 3, np.inf, 1.0)
    columns = {c.name: c for c in profile(ws, frame, "t").columns}
    assert (columns["none"].missing, columns["none"].quantiles) == (100, ())
    assert columns["wide"].quantiles[0] == -1e308
    assert columns["inf"].counts == (99,)
    json.dumps(profile(ws, frame, "t").to_json(), allow_nan=False)


def test_loaded_data_and_arrays_are_profiled_too(ws):
    data = load(ws, "digits")
    found = profile(ws, data)
    assert found == profile(ws, data.id[:8])
    assert (found.columns[0].name, found.columns[0].quantiles[-1]) == ("input (1 x 8 x 8)", 16.0)
    assert dict(found.classes)["3"] == 183
    named = load(ws, "breast_cancer")
    assert profile(ws, named).classes == profile(ws, "breast_cancer").classes == (("malignant", 212), ("benign", 357))


def test_sound_data_has_no_problems(ws):
    found = check(ws, plain(400), "t")
    assert (found.problems, found.ok) == ((), True)
    assert "no problems found" in str(found)
    assert not ws.home.exists()


def test_duplicates_and_overlap_are_counted(ws):
    frame = pd.concat([plain(200), plain(200).iloc[:40]], ignore_index=True)
    found = problems(ws, frame)
    assert ("warning", "40 rows (16.7%) repeat an earlier row") in found
    assert any("test rows of a default split have the inputs of a training row" in what for _, what in found)


def test_the_overlap_of_loaded_data_is_that_of_its_own_split(ws):
    frame = pd.concat([plain(200), plain(200)], ignore_index=True)
    frame["when"] = np.arange(400)
    data = load(ws, frame, target="t", split="time", time_column="when", test_size=0.5)
    said = "160 of 200 test rows of the split have the inputs of a training row"
    assert said in [problem.what for problem in check(ws, data).problems]


def test_equal_rows_with_other_labels_are_counted(ws):
    frame = plain(100)
    frame.loc[50:59, ["a", "b"]] = frame.loc[1:10, ["a", "b"]].to_numpy()
    frame.loc[50:59, "t"] = np.where(frame.loc[1:10, "t"] == "x", "y", "x")
    assert ("note", "20 rows equal another row in every input but not in the label") in problems(ws, frame)


def test_constant_empty_counting_and_gappy_columns_are_named(ws):
    frame = plain()
    frame["same"], frame["none"], frame["id"] = 1, np.nan, np.arange(100) + 7
    frame["few"] = np.where(frame.index % 10 == 0, 1.0, np.nan)
    frame["most"] = np.where(frame.index % 10 == 0, None, "v" + (frame.index % 3).astype(str))
    found = problems(ws, frame)
    assert ("warning", "column 'same' is constant") in found
    assert ("warning", "column 'none' has no values") in found
    assert ("warning", "column 'id' counts the rows, as an index does") in found
    assert ("warning", "column 'few' is missing in 90 rows (90.0%)") in found
    assert ("note", "column 'most' is missing in 10 rows (10.0%)") in found


@pytest.mark.parametrize(
    "copy", [lambda t: t, lambda t: (t == "y").astype(int), lambda t: "is " + t, lambda t: t == "x"]
)
def test_a_column_that_is_the_target_in_other_words_is_an_error(ws, copy):
    frame = plain()
    frame["answer"] = copy(frame["t"])
    found = check(ws, frame, "t")
    assert found.problems[0].level == "error"
    assert found.problems[0].what == "column 'answer' is identical with target 't'"
    assert found.problems[0].columns == ("answer",)
    assert not found.ok


def test_a_column_whose_values_each_go_with_one_class_is_a_warning(ws):
    frame = plain()
    frame["reason"] = frame["t"] + (frame.index % 6 // 2).astype(str)
    assert ("warning", "each value of column 'reason' goes with one class of 't' only") in problems(ws, frame)


def test_classes_out_of_balance_are_named_with_their_share(ws):
    frame = plain(400)
    frame["t"] = np.where(np.arange(400) < 12, "rare", "common")
    assert ("warning", "classes are out of balance: 'rare' 3.0%") in problems(ws, frame)


def test_what_load_refuses_check_lists_with_the_next_step(ws):
    frame = plain()
    frame["day"] = pd.date_range("2024-01-01", periods=100)
    frame["name"] = [f"n{i}" for i in range(100)]
    frame["ratio"] = np.where(frame.index == 5, np.inf, frame["a"])
    found = problems(ws, frame)
    errors = {what for level, what in found if level == "error"}
    assert errors == {
        "column 'day' holds dates",
        "column 'name' is text with 100 distinct values in 100 rows",
        "column 'ratio' has 1 infinite values (row 6)",
    }
    assert all(problem.next_step for problem in found.values())


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["x"] * 100, "has one class"),
        ([None] + ["x", "y", "x"] * 33, "missing in 1 of 100 rows (row 1)"),
        (["x"] * 98 + ["y"] * 2, "too few rows for a stratified split in 'y' (2)"),
        ([np.inf, *np.linspace(0, 1, 99)], "has 1 infinite values"),
    ],
)
def test_labels_that_cannot_be_used_are_errors(ws, labels, said):
    found = check(ws, plain().assign(t=labels), "t")
    assert any(p.level == "error" and said in p.what for p in found.problems)


def test_channels_that_come_last_are_noticed(ws):
    x = np.random.default_rng(0).normal(size=(40, 8, 8, 3))
    found = check(ws, (x, np.arange(40) % 2))
    assert any("channels seem to come last" in p.what and "transpose" in p.next_step for p in found.problems)


def test_the_worst_problems_come_first_and_html_is_escaped(ws):
    frame = plain(100).assign(**{"<i>": 1})
    frame["leak"] = frame["t"]
    found = check(ws, frame, "t")
    levels = [p.level for p in found.problems]
    assert levels == sorted(levels, key=("error", "warning", "note").index)
    assert "<i>" not in found._repr_mimebundle_()["text/html"]
    assert found.to_json()["ok"] is False


def test_without_a_target_only_the_columns_are_looked_at(ws):
    found = check(ws, plain())
    assert [p.what for p in found.problems if p.level == "note"] == ["the labels were not looked at"]
