"""Files of the store that were damaged: named with the next step, which is to load the data again."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lepton_nb.data import check, find, load, profile, read
from lepton_nb.errors import FormatError, NotFoundError
from lepton_nb.workspace import Workspace

FRAME = pd.DataFrame({"a": np.arange(20.0), "c": ["p", "q", None, "q"] * 5, "t": ["x", "y"] * 10})
IMAGES = np.random.default_rng(0).random((20, 2, 2)), np.arange(20) % 2


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


def damaged_object(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "other": lambda path: path.write_text("nothing of ours"),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["table.parquet", "inputs.npy", "targets.npy", "split.npz"])
def test_a_damaged_file_is_named_until_the_data_is_loaded_again(ws, file, damage):
    source, options = (IMAGES, {}) if file == "inputs.npy" else (FRAME, {"target": "t"})
    data = load(ws, source, name="mine", **options)
    expected = read(data, "test")
    DAMAGE[damage](data.path / file)
    with pytest.raises(FormatError, match=rf"{file} is (broken|missing).*next: load the data again") as caught:
        read(data, "test")
    assert "\n" not in str(caught.value)
    if file != "split.npz":
        for verb in (check, profile) if file != "inputs.npy" else (profile,):
            with pytest.raises(FormatError, match=file):
                verb(ws, data)
    assert load(ws, source, name="other", **options).id == data.id
    assert find(ws, "mine") == data
    inputs, targets = read(data, "test")
    assert np.array_equal(targets, expected[1])
    assert all(np.array_equal(inputs[name], values) for name, values in expected[0].items() if name != "c")


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("targets.npy", lambda path: np.save(path, np.zeros(3, np.int64))),
        ("targets.npy", lambda path: np.save(path, np.full(20, 7))),
        ("targets.npy", damaged_object),
        ("split.npz", lambda path: np.savez(path, train=np.arange(3))),
        (
            "split.npz",
            lambda path: np.savez(path, train=np.r_[:14], validation=np.r_[:2], test=np.r_[90:94]),
        ),
        ("table.parquet", lambda path: pq.write_table(pa.table({"a": [1.0]}), path)),
        ("table.parquet", lambda path: pq.write_table(pa.table({"a": ["x"] * 20, "c": ["p"] * 20}), path)),
        ("table.parquet", lambda path: pq.write_table(pa.table({"a": np.arange(20.0)}), path)),
    ],
)
def test_a_sound_file_that_is_not_the_data_sets_is_found_out(ws, file, write):
    data = load(ws, FRAME, target="t")
    write(data.path / file)
    with pytest.raises(FormatError, match=f"{file} is broken"):
        read(data, "train")
    assert load(ws, FRAME, target="t") == data
    assert len(read(data, "train")[1]) == 14


@pytest.mark.parametrize(
    "changed",
    [
        {"names": 5},
        {"names": {"mine": "today"}},
        {"names": ["mine"]},
        {"id": "0" * 64},
        {"rows": 5},
        {"rows": {"train": "many"}},
        {"columns": [5]},
        {"columns": 5},
        {"kind": "cube"},
        {"classes": None},
    ],
)
def test_a_broken_record_is_named_and_does_not_hide_the_other_data_sets(ws, changed):
    other, data = load(ws, IMAGES, name="other"), load(ws, FRAME, target="t", name="mine")
    path = data.path / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    assert find(ws, "other") == other
    with pytest.raises(NotFoundError, match=r"'none' is not loaded; expected one of .*other"):
        find(ws, "none")
    for ref in (data.id, data.id[:8]):
        with pytest.raises(FormatError, match=r"meta\.json is broken.*next: load the data again"):
            find(ws, ref)
    load(ws, FRAME, target="t", name="mine")
    assert find(ws, "mine") == data


@pytest.mark.parametrize("content", ["{", "5", '{"format": 1e400}', "[" * 100_000, ""])
def test_a_record_that_is_no_json_of_ours_is_loaded_again(ws, content):
    data = load(ws, FRAME, target="t", name="mine")
    (data.path / "meta.json").write_text(content)
    with pytest.raises(FormatError, match=r"meta\.json is (broken|not readable).*next: load the data again"):
        find(ws, data.id)
    assert load(ws, FRAME, target="t", name="mine") == data


def test_a_data_set_of_a_newer_version_is_left_as_it_is(ws):
    data = load(ws, FRAME, target="t")
    content = json.dumps({"format": 2, "names": {}})
    (data.path / "meta.json").write_text(content)
    for again in (lambda: load(ws, FRAME, target="t"), lambda: find(ws, data.id)):
        with pytest.raises(FormatError, match=r"format 2.*upgrade"):
            again()
    assert (data.path / "meta.json").read_text() == content
