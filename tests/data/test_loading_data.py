import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import find, is_builtin, load, read
from lepton_nb.errors import AmbiguousError, FormatError, NotFoundError, UsageError
from lepton_nb.records import Data
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("loading") / ".lepton")


def people(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, rows).astype(float),
            "city": rng.choice(["Oslo", "Rome", "Bern"], rows),
            "member": rng.random(rows) < 0.5,
            "bought": rng.choice(["no", "yes"], rows),
        }
    )


def test_digits_is_an_array_of_one_channel(ws):
    data = load(ws, "digits")
    assert (data.kind, data.feature_shape, data.classes) == ("array", (1, 8, 8), tuple("0123456789"))
    assert data.rows == {"train": 1258, "validation": 180, "test": 359}
    column = data.columns[0]
    assert (column.name, column.kind, column.shape, column.low, column.high) == ("input", "array", (1, 8, 8), 0.0, 16.0)
    inputs, targets = read(data, "test")
    assert (inputs["input"].shape, inputs["input"].dtype, targets.dtype) == ((359, 1, 8, 8), np.float32, np.int64)


def test_breast_cancer_is_a_table_with_the_classes_in_scikit_learns_order(ws):
    data = load(ws, "breast_cancer")
    assert (data.kind, len(data.columns), data.feature_shape) == ("table", 30, (30,))
    assert data.classes == ("malignant", "benign")
    inputs, targets = read(data, "train")
    assert inputs["mean radius"].dtype == np.float64
    assert inputs["mean radius"].shape == targets.shape == (data.rows["train"],)


@pytest.mark.parametrize("source", ["wine", "sklearn:wine", "sklearn:iris"])
def test_other_names_that_scikit_learn_ships_load_too(ws, source):
    data = load(ws, source)
    assert (len(data.classes), data.name) == (3, source.split(":")[-1])
    assert is_builtin(source)


def test_a_loaded_data_set_is_text_that_finds_it_again(ws):
    data = load(ws, "digits")
    assert str(data) == data.id == data.path.name
    assert find(ws, str(data)) == find(ws, data.id[:6]) == find(ws, "digits") == data
    assert isinstance(data, Data)


def test_the_same_rows_and_options_are_kept_once(ws):
    first = load(ws, people(), target="bought")
    written = (first.path / "table.parquet").stat().st_mtime_ns
    assert load(ws, people(), target="bought") == first
    assert (first.path / "table.parquet").stat().st_mtime_ns == written


@pytest.mark.parametrize("options", [{"seed": 1}, {"test_size": 0.3}, {"split": "random"}, {"ignore": ["city"]}])
def test_other_options_are_another_data_set(ws, options):
    assert load(ws, people(), target="bought", **options).id != load(ws, people(), target="bought").id


def test_one_other_value_is_another_data_set(ws):
    changed = people()
    changed.loc[3, "city"] = "Rome" if changed.loc[3, "city"] != "Rome" else "Bern"
    assert load(ws, changed, target="bought").id != load(ws, people(), target="bought").id


def test_the_hash_is_the_same_in_every_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; import pandas as pd\n"
        "from lepton_nb.data import load; from lepton_nb.workspace import Workspace\n"
        "frame = pd.DataFrame({'a': [1.5, None] * 10, 'b': ['x', 'y', None, 'z'] * 5, 't': ['p', 'q'] * 10})\n"
        "print(load(Workspace(Path(sys.argv[1])), frame, target='t').id)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_the_same_rows_from_csv_parquet_and_a_frame_are_one_data_set(ws, tmp_path):
    frame = people().drop(columns="member")
    frame.to_csv(tmp_path / "people.csv", index=False)
    frame.to_parquet(tmp_path / "people.parquet")
    ids = {
        load(ws, source, target="bought").id for source in (frame, tmp_path / "people.csv", tmp_path / "people.parquet")
    }
    assert len(ids) == 1
    assert find(ws, "people").id in ids


def test_a_name_finds_what_was_loaded_last_under_it(ws):
    first = load(ws, people(seed=1), target="bought", name="shop")
    second = load(ws, people(seed=2), target="bought", name="shop")
    assert find(ws, "shop").id == second.id
    load(ws, people(seed=1), target="bought", name="shop")
    assert find(ws, "shop").id == first.id


def test_two_names_of_one_data_set_both_find_it(ws):
    first = load(ws, people(seed=5), target="bought", name="spring")
    second = load(ws, people(seed=5), target="bought", name="winter")
    assert first.id == second.id
    assert [find(ws, name).name for name in ("spring", "winter")] == ["spring", "winter"]


def test_arrays_of_two_axes_are_a_table_and_of_more_are_tensors(ws):
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    table = load(ws, (rng.normal(size=(30, 3)), y))
    assert [(c.name, c.kind) for c in table.columns] == [("x0", "number"), ("x1", "number"), ("x2", "number")]
    tensors = load(ws, (rng.integers(0, 255, (30, 3, 4, 5), dtype=np.uint8), y.astype(bool)))
    assert (tensors.kind, tensors.feature_shape, tensors.classes) == ("array", (3, 4, 5), ("False", "True"))


def test_a_frame_and_a_series_keep_their_names(ws):
    frame = people()
    data = load(ws, (frame.drop(columns="bought"), frame["bought"]))
    assert (data.target, [c.name for c in data.columns]) == ("bought", ["age", "city", "member"])


def test_labels_with_gaps_are_refused_in_object_arrays_too(ws):
    y = np.array(["a", "b", np.nan] * 5, dtype=object)
    with pytest.raises(Exception, match=r"missing in 5 of 15 rows \(rows 3, 6, 9, 12, 15\)"):
        load(ws, (np.zeros((15, 2)), y))


def test_columns_become_numbers_and_categories(ws):
    data = load(ws, people(), target="bought")
    assert [(c.name, c.kind) for c in data.columns] == [("age", "number"), ("city", "category"), ("member", "category")]
    assert data.columns[1].categories == ("Bern", "Oslo", "Rome")
    assert data.columns[2].categories == ("False", "True")
    assert data.feature_shape == (6,)


def test_the_class_names_of_numbers_are_in_the_order_of_the_numbers(ws):
    frame = pd.DataFrame({"a": np.arange(40.0), "t": np.tile([10, 9, 2, 100], 10)})
    assert load(ws, frame, target="t").classes == ("2", "9", "10", "100")
    frame["t"] = frame["t"].astype(float)
    assert load(ws, frame, target="t").classes == ("2", "9", "10", "100")


def test_the_classes_of_a_categorical_keep_its_order_and_unused_ones_fall_away(ws):
    values = pd.Categorical(["low", "high", "mid"] * 10, categories=["low", "mid", "high", "never"])
    data = load(ws, pd.DataFrame({"a": np.arange(30.0), "t": values}), target="t")
    assert data.classes == ("low", "mid", "high")
    _, targets = read(data, "test")
    assert set(targets) == {0, 1, 2}


def test_a_categorical_of_numbers_is_a_category(ws):
    frame = pd.DataFrame({"code": pd.Categorical([1.0, 2.0, None] * 10), "t": ["x", "y"] * 15})
    data = load(ws, frame, target="t")
    assert (data.columns[0].kind, data.columns[0].categories) == ("category", ("1", "2"))


def test_a_data_set_can_be_split_anew(ws):
    data = load(ws, "breast_cancer")
    again = load(ws, data, seed=7)
    assert again.id == load(ws, "breast_cancer", seed=7).id != data.id
    assert load(ws, data.id[:10]).id == data.id


def test_ranges_and_categories_are_those_of_the_training_part(ws):
    frame = pd.DataFrame({"when": np.arange(100), "a": np.arange(100.0), "c": ["old"] * 90 + ["new"] * 10})
    frame["t"] = np.where(np.arange(100) % 2, "x", "y")
    data = load(ws, frame, target="t", split="time", time_column="when")
    number, category = data.columns
    assert (number.low, number.high, category.categories) == (0.0, 69.0, ("old",))
    assert read(data, "test")[0]["c"].tolist() == ["old"] * 10 + ["new"] * 10


def test_missing_values_come_back_as_nan_and_empty_text(ws):
    frame = people()
    frame.loc[::2, "age"] = np.nan
    frame.loc[1::2, "city"] = None
    data = load(ws, frame, target="bought")
    inputs, _ = read(data, "train")
    rows = np.load(data.path / "split.npz")["train"]
    assert (np.isnan(inputs["age"]) == (rows % 2 == 0)).all()
    assert ((inputs["city"] == "") == (rows % 2 == 1)).all()
    assert inputs["city"].dtype == object


def test_eight_threads_load_the_same_data_at_once(tmp_path):
    ws, found = Workspace(tmp_path / ".lepton"), []
    frame = people()
    threads = [threading.Thread(target=lambda: found.append(load(ws, frame, target="bought").id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in ws.data.iterdir() if path.is_dir()] == [found[0]]


def test_an_unknown_reference_lists_what_is_there(ws):
    load(ws, "digits")
    with pytest.raises(NotFoundError, match=r"'digitz' is not loaded.*digits"):
        find(ws, "digitz")
    with pytest.raises(NotFoundError, match="not loaded"):
        find(ws, "0" * 64)
    with pytest.raises(UsageError, match=r"\.\./secrets"):
        find(ws, "../secrets")


def test_a_prefix_of_two_data_sets_is_ambiguous(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    data = load(ws, people(), target="bought")
    twin = data.path.parent / (data.id[:-1] + ("0" if data.id[-1] != "0" else "1"))
    twin.mkdir()
    (twin / "meta.json").write_bytes((data.path / "meta.json").read_bytes())
    with pytest.raises(AmbiguousError, match="fits 2 data sets"):
        find(ws, data.id[:8])


def test_a_newer_format_is_refused_clearly(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    data = load(ws, people(), target="bought")
    meta = json.loads((data.path / "meta.json").read_text())
    (data.path / "meta.json").write_text(json.dumps({**meta, "format": 2}))
    with pytest.raises(FormatError, match="format 2"):
        find(ws, data.id)


def test_a_part_that_does_not_exist_is_refused(ws):
    with pytest.raises(UsageError, match="train, validation, test"):
        read(load(ws, "digits"), "holdout")


def test_the_rest_of_an_interrupted_removal_is_replaced(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    data = load(ws, people(), target="bought")
    (data.path / "meta.json").unlink()
    (data.path / "targets.npy").write_bytes(b"")
    assert load(ws, people(), target="bought") == data
    assert len(read(data, "test")[1]) == 12


def test_files_written_are_plain(ws):
    data = load(ws, people(), target="bought")
    assert {path.name for path in data.path.iterdir()} == {"meta.json", "table.parquet", "targets.npy", "split.npz"}
    assert not [path for path in Path(ws.data).iterdir() if path.name.startswith(".loading")]
