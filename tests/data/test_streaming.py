import numpy as np
import pyarrow as pa
import pytest
from sales import frame, streamed

from lepton_nb.artifact.preparation import export_preparation
from lepton_nb.data import (
    buckets,
    check,
    features,
    find,
    fitting,
    load,
    module,
    preprocessing,
    profile,
    read,
    sample,
)
from lepton_nb.data import streaming as room
from lepton_nb.data.batches import Batches
from lepton_nb.data.preprocessing import frame_of
from lepton_nb.data.streamed_batches import StreamedBatches
from lepton_nb.workspace import Workspace

pytestmark = pytest.mark.usefixtures("small")
PARTS = ("train", "validation", "test")


def test_every_row_of_the_file_is_in_one_part(ws, file):
    data = streamed(ws, file)
    whole = frame()
    assert data.streamed
    assert find(ws, data.id) == find(ws, "sales") == data
    assert (data.name, data.kind, data.split["strategy"]) == ("sales", "table", "random")
    assert data.rows["test"] == pytest.approx(1000, abs=120)
    assert data.rows["validation"] == pytest.approx(500, abs=90)
    seen = []
    for part in PARTS:
        inputs, targets = read(data, part)
        rows = inputs["row"].astype(int)
        assert len(rows) == data.rows[part]
        assert [data.classes[i] for i in targets] == whole["bought"][rows].tolist()
        assert np.array_equal(inputs["x"], whole["x"][rows], equal_nan=True)
        assert inputs["city"].tolist() == whole["city"][rows].fillna("").tolist()
        assert inputs["member"].tolist() == [str(one) for one in whole["member"][rows]]
        seen += rows.tolist()
    assert sorted(seen) == list(range(5000))


def test_what_is_known_of_the_columns_is_what_the_same_rows_have_in_memory(ws, file):
    data = streamed(ws, file)
    inputs, _ = read(data, "train")
    number, city = data.columns[1], data.columns[3]
    assert (number.low, number.high) == (np.nanmin(inputs["x"]), np.nanmax(inputs["x"]))
    assert city.categories == ("Bern", "Oslo", "Rome")
    assert data.feature_shape == (3 + 3 + 2,)
    assert data.classes == load(ws, file, target="bought").classes


def test_the_hash_depends_on_rows_and_options_and_not_on_row_groups(ws, file, tmp_path, monkeypatch):
    data = streamed(ws, file)
    frame().to_parquet(tmp_path / "other.parquet", row_group_size=5000)
    monkeypatch.setattr(room, "batch_rows", lambda columns: 1024)
    assert streamed(ws, tmp_path / "other.parquet").id == streamed(ws, str(file)).id == data.id
    others = [streamed(ws, file, seed=1), streamed(ws, file, test_size=0.3), streamed(ws, file, ignore=["x"])]
    frame(seed=1).to_parquet(file)
    assert len({data.id, streamed(ws, file).id, *(one.id for one in others)}) == 5


def test_preprocessing_is_what_the_same_rows_give_in_memory(ws, file):
    data = streamed(ws, file)
    inputs, _ = read(data, "train")
    rows = pa.table({name: values for name, values in frame().items() if name != "bought"})
    fitted = preprocessing(data)
    from lepton_nb.data.preprocessing import _transformer

    peer = _transformer(data).fit(frame_of(inputs))
    test, _ = read(data, "test")
    assert rows.num_rows == 5000
    assert np.allclose(fitted.transform(frame_of(test)), peer.transform(frame_of(test)), atol=1e-6)
    medians, theirs = (one.named_transformers_["number"].steps[2][1].statistics_ for one in (fitted, peer))
    assert np.allclose(medians, theirs, atol=1e-6)
    assert np.array_equal(features(data, "test")[0], fitted.transform(frame_of(test)).astype(np.float32))


@pytest.mark.parametrize("rows", [1, 2, 3, 1000, 100_001])
@pytest.mark.parametrize("kind", ["distinct", "few", "constant", "empty"])
def test_the_middle_of_many_values_is_exact(rows, kind):
    rng = np.random.default_rng(rows)
    values = {
        "distinct": rng.normal(size=rows),
        "few": rng.integers(0, 4, rows).astype(float),
        "constant": np.ones(rows),
        "empty": np.full(rows, np.nan),
    }[kind]
    middle = fitting._Middle(rng.choice(values, min(rows, 5000), replace=False), 1 << 20)
    for chunk in np.array_split(values, 7):
        middle.add(chunk)
    assert np.mean(middle.pair()) == pytest.approx(np.median(values), nan_ok=True, abs=1e-12)


def test_a_median_that_cannot_be_kept_is_near_in_rank():
    values = np.random.default_rng(0).random(200_000)
    middle = fitting._Middle(values[:20_000], 100)
    for chunk in np.array_split(values, 20):
        middle.add(chunk)
    assert np.mean(middle.pair()) == pytest.approx(0.5, abs=2.5 / np.sqrt(20_000))


def test_the_preprocessing_becomes_onnx_as_ever(ws, file):
    import onnxruntime

    data = streamed(ws, file)
    session = onnxruntime.InferenceSession(export_preparation(data, preprocessing(data)).SerializeToString())
    inputs, _ = read(data, "test")
    given = {name: values[:, None] for name, values in inputs.items()}
    assert np.allclose(session.run(None, given)[0], features(data, "test")[0], atol=1e-5)


def test_the_loader_of_a_streamed_part_gives_each_row_once_in_a_new_order_each_epoch(ws, file):
    data = streamed(ws, file)
    loader = module(data, 64, seed=3).train_dataloader()
    assert isinstance(loader, StreamedBatches)
    expected = features(data, "train")[0]
    first, second = ([row for x, _ in loader for row in map(tuple, x.tolist())] for _ in range(2))
    assert sorted(first) == sorted(second) == sorted(map(tuple, expected.tolist()))
    assert first != second
    again = module(data, 64, seed=3).train_dataloader()
    assert [row for x, _ in again for row in map(tuple, x.tolist())] == first


def test_held_out_parts_are_streamed_in_order(ws, file):
    data = streamed(ws, file)
    for part, loader in (
        ("validation", module(data, 64).val_dataloader()),
        ("test", module(data, 64).test_dataloader()),
    ):
        values, targets = features(data, part)
        batches = list(loader)
        assert np.array_equal(np.concatenate([x.numpy() for x, _ in batches]), values)
        assert np.array_equal(np.concatenate([y.numpy() for _, y in batches]), targets)


def test_a_part_that_is_one_file_is_kept_in_memory(ws, file, monkeypatch):
    monkeypatch.setattr(buckets, "BUCKET", 64 << 20)
    assert isinstance(module(streamed(ws, file), 64).train_dataloader(), Batches)


def test_many_files_are_written_a_few_at_a_time(ws, file, monkeypatch):
    expected = streamed(ws, file)
    monkeypatch.setattr(buckets, "_OPEN", 3)
    monkeypatch.setattr(buckets, "_WAITING", 4096)
    other = streamed(Workspace(ws.home.parent / "other" / ".lepton"), file)
    assert other.id == expected.id
    assert all(
        np.array_equal(a, b) for p in PARTS for a, b in zip(features(other, p), features(expected, p), strict=True)
    )


def test_a_sample_is_fair_and_the_same_each_time(ws, file):
    data = streamed(ws, file)
    inputs, targets = sample(data, "train", 600)
    assert len(targets) == 600
    assert len(set(inputs["row"])) == 600
    # From all over the file, although each of ours keeps its order.
    assert inputs["row"].mean() == pytest.approx(2500, abs=250)
    assert np.array_equal(sample(data, "train", 600)[0]["row"], inputs["row"])
    assert len(sample(data, "test")[1]) == data.rows["test"]
    plain = load(ws, file, target="bought")
    assert len(sample(plain, "train", 50)[1]) == 50


def test_a_streamed_data_set_is_checked_and_described_as_any_other(ws, file):
    data = streamed(ws, file)
    assert profile(ws, data).rows == check(ws, data).rows == 5000
    assert load(ws, data).rows["test"] == 1000
