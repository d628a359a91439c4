"""Tables whose only input is paths of pictures."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from pictured import picture

from lepton_nb.data import Choices, TextOptions, find, inputs_of, load, read, sides
from lepton_nb.errors import DataError, NotFoundError, UsageError
from lepton_nb.workspace import Workspace

ROWS = 12


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "project" / ".lepton")


@pytest.fixture
def frame(tmp_path, monkeypatch):
    """Pictures of one value each, which says their row; the current folder is that of the table."""
    folder = tmp_path / "project" / "scans"
    for row in range(ROWS):
        picture(folder / "images" / f"{row}.png", 10 * row, mode="L", size=(6, 5))
    monkeypatch.chdir(folder)
    paths = [f"images/{row}.png" for row in range(ROWS)]
    return pd.DataFrame({"scan": paths, "finding": ["none", "cells"] * (ROWS // 2)})


def rows_of(data):
    """What each picture shows, and its class, over all parts, in the order of the table."""
    parts = [read(data, part) for part in ("train", "validation", "test")]
    values = np.concatenate([inputs["input"][:, 0, 0, 0] for inputs, _ in parts])
    classes = np.concatenate([targets for _, targets in parts])
    order = np.argsort(values)
    return values[order].tolist(), [data.classes[one] for one in classes[order]]


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame", "query"])
def test_each_row_is_the_picture_that_its_path_leads_to(ws, frame, tmp_path, monkeypatch, kind):
    frame.to_csv("scans.csv", index=False)
    frame.to_parquet("scans.parquet")
    source = {"frame": frame, "query": "SELECT * FROM 'scans.csv'"}.get(kind)
    if source is None:
        # Paths are relative to the table, wherever somebody stands.
        monkeypatch.chdir(tmp_path)
        source = tmp_path / "project" / "scans" / f"scans.{kind}"
    data = load(ws, source, target="finding", test_size=0.25, validation_size=0.25)
    assert (data.kind, data.feature_shape, data.columns[0].picture) == ("array", (1, 5, 6), True)
    assert rows_of(data) == ([10.0 * row for row in range(ROWS)], ["none", "cells"] * (ROWS // 2))
    assert sides(data, "train").tolist() == [[6, 5]] * data.rows["train"]


def test_the_column_can_be_named_and_pictures_scaled(ws, frame):
    whole = load(ws, frame, target="finding", choices=Choices(image="scan"))
    assert whole.id == load(ws, frame, target="finding").id
    small = load(ws, frame, target="finding", choices=Choices(image="scan", image_size="2x3", grey=False))
    assert small.feature_shape == (3, 2, 3)
    # A name that does not end like one of a picture is read when it is asked for.
    shutil.copy("images/0.png", "images/first")
    named = load(ws, frame.replace("images/0.png", "images/first"), target="finding", choices=Choices(image="scan"))
    assert rows_of(named) == rows_of(whole)


def test_other_columns_are_targets_or_order_the_rows_or_are_left_out(ws, frame):
    more = frame.assign(size=np.linspace(0.5, 2.5, ROWS), age=30 + np.arange(ROWS), day=range(ROWS))
    asked = {"target": "size,age", "task": "regression", "split": "time", "time_column": "day"}
    data = load(ws, more, ignore="finding", **asked)
    assert data.targets == ("size", "age")
    inputs, targets = read(data, "test")
    assert inputs["input"][:, 0, 0, 0].tolist() == [90, 100, 110][-len(targets) :]
    assert targets[-1].tolist() == [2.5, 41.0]


def test_inputs_beside_the_picture_are_refused(ws, frame):
    with pytest.raises(DataError, match=r"1 columns lie beside image 'scan'; .*got age; .*--ignore 'age'"):
        load(ws, frame.assign(age=1), target="finding", choices=Choices(image="scan"))
    assert not ws.home.exists()


def test_a_path_may_lead_anywhere_in_the_project(ws, frame, tmp_path):
    tables = tmp_path / "project" / "tables"
    tables.mkdir()
    frame.assign(scan="../scans/" + frame["scan"]).to_csv(tables / "scans.csv", index=False)
    assert load(ws, tables / "scans.csv", target="finding").id == load(ws, frame, target="finding").id


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("images/99.png", r"image 'images/99.png' in row 3 does not exist; expected a file below .*scans"),
        ("images", r"image 'images' in row 3 does not exist"),
        ("images/\0.png", r"in row 3 does not exist"),
        ("a" * 300 + ".png", r"image '\.\.\.a+\.png' in row 3 does not exist"),
        ("../../outside.png", r"image '../../outside.png' in row 3 lies outside of .*scans and .*project"),
        ("../../nowhere.png", r"image '../../nowhere.png' in row 3 lies outside of"),
        ("{outside}", r"outside.png' in row 3 lies outside of"),
        ("images/link.png", r"image 'images/link.png' in row 3 lies outside of"),
        ("images/wide.png", r"different sizes: .*0\.png 5x6, .*wide\.png 5x7; .*--image-size 5x6"),
        ("images/torn.png", r"torn\.png is not a readable picture"),
        (None, r"image 'scan' is missing in 1 of 12 rows \(row 3\)"),
        (" ", r"image 'scan' is missing in 1 of 12 rows \(row 3\)"),
    ],
)
def test_a_path_that_leads_to_no_picture_is_named_and_nothing_is_written(ws, frame, tmp_path, path, message):
    picture(tmp_path / "outside.png")
    (tmp_path / "project/scans/images/link.png").symlink_to(tmp_path / "outside.png")
    picture(tmp_path / "project/scans/images/wide.png", size=(7, 5))
    (tmp_path / "project/scans/images/torn.png").write_bytes(b"torn")
    frame.loc[2, "scan"] = path if path is None else path.format(outside=tmp_path / "outside.png")
    with pytest.raises(DataError, match=message) as caught:
        load(ws, frame, target="finding", choices=Choices(image="scan"))
    assert "\n" not in str(caught.value)
    assert not ws.home.exists()


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"image": "scam"}, NotFoundError, "image column 'scam' does not exist; .*did you mean 'scan'"),
        ({"image": "finding"}, UsageError, "column 'finding' is no input; expected one of scan"),
        ({"image": "scan", "stream": True}, UsageError, "images are not streamed"),
    ],
)
def test_a_column_that_cannot_be_it_is_refused(ws, frame, choices, error, message):
    frame.to_parquet("scans.parquet")
    with pytest.raises(error, match=message):
        load(ws, "scans.parquet", target="finding", choices=Choices(**choices))
    with pytest.raises(DataError, match="image 'n' holds numbers; expected paths of images"):
        load(ws, pd.DataFrame({"n": range(9), "t": ["a", "b", "c"] * 3}), target="t", choices=Choices(image="n"))
    assert not ws.home.exists()


def test_texts_that_are_no_paths_stay_texts(ws, frame):
    words = pd.DataFrame({"text": [f"see images/{row}.png for more" for row in range(60)], "label": ["a", "b"] * 30})
    assert load(ws, words, target="label").kind == "text"
    # Paths beside other inputs are whatever such texts are.
    with pytest.raises(DataError, match="column 'text' is text with 60 distinct values"):
        load(ws, words.assign(text=[f"{row}.png" for row in range(60)], age=range(60)), target="label")


def test_names_of_files_are_texts_where_that_is_asked_for(ws, frame):
    shutil.rmtree("images")
    data = load(ws, frame, target="finding", text=TextOptions("scan"))
    assert (data.kind, data.columns[0].name) == ("text", "scan")
    with pytest.raises(DataError, match=r"does not exist.*--text COLUMN reads them as texts"):
        load(ws, frame, target="finding")


def test_a_model_of_other_arrays_takes_no_pictures(ws, frame):
    columns = load(ws, "digits").columns
    with pytest.raises(DataError, match=r"is a table; expected an array of rows \(1, 8, 8\)"):
        inputs_of(frame, columns)


def test_what_is_loaded_is_split_anew_without_its_files(ws, frame):
    data = load(ws, frame, target="finding", name="scans")
    shutil.rmtree("images")
    again = load(ws, find(ws, "scans"), seed=4)
    assert (again.id != data.id, rows_of(again)) == (True, rows_of(data))
    with pytest.raises(UsageError, match="has no column of paths; expected a table that is not loaded yet"):
        load(ws, data, choices=Choices(image="scan"))


def test_a_table_to_predict_is_read_by_its_only_column_of_paths(ws, frame, tmp_path, monkeypatch):
    columns = load(ws, frame, target="finding", choices=Choices(image_size="3x3", grey=False)).columns
    frame.assign(note="new").to_csv("new.csv", index=False)
    expected = [[10.0 * row] * 3 for row in range(ROWS)]
    monkeypatch.chdir(tmp_path)
    given = inputs_of("project/scans/new.csv", columns)["input"]
    assert (given.shape, given[:, :, 0, 0].tolist()) == ((ROWS, 3, 3, 3), expected)
    with pytest.raises(DataError, match=r"expected one column of paths .*; got 2 such columns, 'scan', 'mask'"):
        inputs_of(frame.assign(mask=frame["scan"]), columns)
    with pytest.raises(DataError, match="in row 1 does not exist"):
        inputs_of(frame, columns)
    with pytest.raises(DataError, match=re.escape("lies outside of")):
        inputs_of(frame.assign(scan="../" + frame["scan"]), columns)
