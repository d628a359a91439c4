"""Whole columns in, whole columns out: Arrow and NumPy, and their records on the log."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from asked import lines_of, talk_to

from lepton_nb.runtime import Input, RequestError, Signature, Slot
from lepton_nb.runtime.bulk import records
from lepton_nb.runtime.columns import ARROW, NUMPY, from_arrow, from_numpy
from lepton_nb.runtime.model import Model
from lepton_nb.runtime.privacy import Kept
from lepton_nb.runtime.settings import Settings


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def read(content: bytes) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()


def signature(*inputs: Input) -> Signature:
    return Signature("classification", ("a", "b"), inputs)


TABLE = pa.table(
    {"color": ["red", None, "blue", "red"], "age": [1.0, None, 3.0, 4.0], "height": pa.array([1, 2, 3, 4])}
)


def post(client, body: bytes, kind: str = ARROW):
    return client.post("/predict", content=body, headers={"content-type": kind})


def test_a_stream_is_answered_as_the_rows_would_be_and_recorded_whole(table_model, tmp_path):
    settings = Settings(Slot("tiny:v1", table_model), log_dir=tmp_path)

    async def talk(client):
        rows = [
            dict(zip(TABLE.column_names, row, strict=True)) for row in zip(*TABLE.to_pydict().values(), strict=True)
        ]
        return await post(client, stream(TABLE)), await client.post("/predict", json={"rows": rows})

    bulk, by_row = talk_to(settings, talk)
    assert bulk.status_code == 200, bulk.text
    answer = read(bulk.content)
    identifier = bulk.headers["lepton-request-id"]
    assert answer["id"].to_pylist() == [f"{identifier}.{row}" for row in range(4)]
    assert answer["label"].to_pylist() == [one["label"] for one in by_row.json()["predictions"]]
    expected = [one["probabilities"] for one in by_row.json()["predictions"]]
    np.testing.assert_allclose(answer["probabilities"].to_pylist(), expected, atol=1e-6)
    (file,) = tmp_path.glob("bulk-*.records")
    ((head, given, answered, end),) = records(file.read_bytes())
    assert (head["id"], head["rows"], head["version"], head["slot"]) == (identifier, 4, "tiny:v1", "champion")
    assert read(given).equals(TABLE)
    assert answered == bulk.content
    assert end == file.stat().st_size


def test_several_batches_are_one_answer(table_model):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, TABLE.schema) as writer:
        for start in range(4):
            writer.write_table(TABLE.slice(start, 1))
        writer.write_table(TABLE.slice(0, 0))

    async def talk(client):
        return await post(client, sink.getvalue()), await post(client, stream(TABLE))

    parts, whole = talk_to(Settings(Slot("m:1", table_model)), talk)
    assert read(parts.content)["probabilities"].to_pylist() == read(whole.content)["probabilities"].to_pylist()


def test_an_array_model_takes_and_gives_numpy_files(image_model, tmp_path):
    batch = np.arange(12, dtype=np.float64).reshape(3, 1, 2, 2)
    sink = io.BytesIO()
    np.save(sink, batch)

    async def talk(client):
        return await post(client, sink.getvalue(), NUMPY)

    answer = talk_to(Settings(Slot("m:1", image_model), log_dir=tmp_path), talk)
    found = np.load(io.BytesIO(answer.content), allow_pickle=False)
    np.testing.assert_allclose(found, Model.load(image_model).predict({"input": batch}))
    (file,) = tmp_path.glob("bulk-*.records")
    ((head, given, _, _),) = records(file.read_bytes())
    assert (head["kind"], given) == (NUMPY, sink.getvalue())


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1, None, 3], pa.int8()), "number", [1, None, 3]),
        (pa.array([2**40, 1, 0], pa.uint64()), "number", [2**40, 1, 0]),
        (pa.array([0.5, float("nan"), None], pa.float32()), "number", [0.5, None, None]),
        (pa.array(["a", None, "ü "], pa.large_string()), "category", ["a", "", "ü"]),
        (pa.array(["TRUE", "n/a", ""]), "category", ["True", "", ""]),
    ],
)
@pytest.mark.parametrize("first", [0, 1])
def test_every_type_of_column_is_read_from_wherever_it_starts(values, kind, expected, first):
    found = from_arrow(stream(pa.table({"c": values}).slice(first)), signature(Input("c", kind)))["c"].tolist()
    assert [None if one != one else one for one in found] == expected[first:]  # noqa: PLR0124 - NaN alone differs


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.int16()), pa.list_(pa.float64(), 4)])
def test_lists_are_the_rows_of_an_array(kind):
    values = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    one = signature(Input("c", "array", (1, 2, 2)))
    found = from_arrow(stream(pa.table({"c": pa.array(values, kind)}).slice(1)), one)["c"]
    assert (found.dtype, found.shape) == (np.float32, (2, 1, 2, 2))
    assert found.reshape(2, 4).tolist() == values[1:]


@pytest.mark.parametrize(("kind", "value"), [("int64", 2**32 + 3), ("uint64", 2**31), ("int64", -(2**31) - 1)])
def test_a_whole_number_that_is_too_large_is_refused_not_made_small(kind, value):
    one = signature(Input("c", "array", (2,), (), 0, 9, "refused", dtype="int32"))
    values, sink = np.array([[1, 2], [1, value]], kind), io.BytesIO()
    np.save(sink, values)
    table = pa.table({"c": pa.array(list(values), pa.list_(pa.from_numpy_dtype(kind)))})
    for read, body in ((from_numpy, sink.getvalue()), (from_arrow, stream(table))):
        with pytest.raises(RequestError, match="row 1, field 'c': expected whole numbers that fit into int32") as fault:
            read(body, one)
        assert (fault.value.status, fault.value.row) == (422, 1)


def test_what_was_read_stays_when_its_stream_has_gone():
    values = np.arange(400_000, dtype=np.float32).reshape(-1, 4)
    rows = pa.table({"c": pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 4)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        # Each batch takes the place of the one before in the memory.
        writer.write_table(rows, max_chunksize=10_000)
    found = from_arrow(sink.getvalue(), signature(Input("c", "array", (4,))))["c"]
    del sink
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("table", "one", "status", "message"),
    [
        ({"d": [1.0]}, Input("c", "number"), 422, "column 'c' is missing"),
        ({"c": [1.0], "d": [1.0]}, Input("c", "number"), 422, "unknown column 'd'"),
        ({"c": ["1"]}, Input("c", "number"), 422, "column 'c': expected numbers, got string"),
        ({"c": [True]}, Input("c", "number"), 422, "column 'c': expected numbers, got bool"),
        ({"c": pa.array([1], pa.timestamp("s"))}, Input("c", "number"), 422, "expected numbers, got timestamp"),
        ({"c": pa.array(["a"]).dictionary_encode()}, Input("c", "number"), 422, "expected numbers, got dictionary"),
        ({"c": [1.0]}, Input("c", "category"), 422, "column 'c': expected text, got double"),
        (
            {"c": ["a", "b"]},
            Input("c", "category", (), ("a",), unknown="refused"),
            422,
            "row 1, field 'c': expected one",
        ),
        ({"c": [1.0, float("-inf")]}, Input("c", "number"), 400, "row 1, field 'c': expected a finite number"),
        ({"c": [[1.0], [1.0, 2.0]]}, Input("c", "array", (1,)), 422, "row 1, field 'c': expected 1 numbers, got 2"),
        ({"c": [[1.0], [float("nan")]]}, Input("c", "array", (1,)), 400, "row 1, field 'c': expected finite"),
        ({"c": [[1.0], None]}, Input("c", "array", (1,)), 422, "field 'c': a list is missing"),
        ({"c": pa.array([], pa.float64())}, Input("c", "number"), 422, "the stream has no rows"),
    ],
)
def test_a_column_that_does_not_fit_is_refused_by_its_name(table, one, status, message):
    with pytest.raises(RequestError, match=message) as caught:
        from_arrow(stream(pa.table(table)), signature(one))
    assert caught.value.status == status


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_stream_that_would_grow_when_it_is_unpacked_is_refused_before(table_model, codec):
    table = pa.table({"color": ["red"] * 200_000, "age": [0.0] * 200_000, "height": [0.0] * 200_000})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    assert len(sink.getvalue()) < table.nbytes / 5
    answer = talk_to(Settings(Slot("m:1", table_model)), lambda client: post(client, sink.getvalue()))
    assert (answer.status_code, "compressed" in answer.json()["error"]["message"]) == (415, True)


def test_a_dictionary_that_is_compressed_is_refused_too():
    table = pa.table({"c": pa.array(["a" * 9000, "b"] * 50).dictionary_encode()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    with pytest.raises(RequestError, match="compressed"):
        from_arrow(sink.getvalue(), signature(Input("c", "category")))


def test_no_cut_or_bent_stream_does_more_than_be_refused():
    whole = stream(TABLE)
    wanted = signature(Input("color", "category"), Input("age", "number"), Input("height", "number"))
    generator, seen = np.random.default_rng(0), set()
    for turn in range(300):
        body = bytearray(whole)
        if turn % 2:
            del body[int(generator.integers(len(body))) :]
        else:
            for place in generator.integers(0, len(body), 8):
                body[place] = int(generator.integers(256))
        try:
            seen.add(frozenset(from_arrow(bytes(body), wanted)))
        except RequestError as fault:
            seen.add(fault.status)
    assert {400, 422} <= seen <= {400, 415, 422, frozenset({"color", "age", "height"})}


def test_a_numpy_file_of_objects_is_refused_before_anything_of_it_runs(tmp_path):
    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    sink = io.BytesIO()
    np.save(sink, np.array([Bad()], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError, match="not a NumPy file"):
        from_numpy(sink.getvalue(), signature(Input("input", "array", (2,))))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-pickle", "application/python-pickle", ""])
def test_other_types_are_refused_on_every_route_that_takes_a_body(table_model, kind):
    async def talk(client):
        paths = ("/predict", "/feedback", "/v2/models/m/infer")
        headers = {"content-type": kind} if kind else {}
        return [await client.post(path, content=b"\x80\x04.", headers=headers) for path in paths]

    for answer in talk_to(Settings(Slot("m:1", table_model)), talk):
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_type")


def test_a_torn_record_at_the_end_is_left_out(table_model, tmp_path):
    settings = Settings(Slot("m:1", table_model), log_dir=tmp_path)

    async def talk(client):
        return [await post(client, stream(TABLE)) for _ in range(3)]

    talk_to(settings, talk)
    (file,) = tmp_path.glob("bulk-*.records")
    content = file.read_bytes()
    ends = [end for *_, end in records(content)]
    assert len(ends) == 3
    for cut in (ends[1] + 1, ends[2] - 1):
        assert [end for *_, end in records(content[:cut])] == ends[:2]


def test_private_columns_are_not_on_the_log(table_model, tmp_path):
    kept = Kept.read("hash:color;no:height")
    settings = Settings(Slot("m:1", table_model), log_dir=tmp_path, kept=kept)
    row = {"age": 1.0, "height": 170.5, "color": "red"}

    async def talk(client):
        await client.post("/predict", json={"rows": [row, {**row, "color": None}]})
        await client.post("/predict", json={"rows": [row]})
        return await post(client, stream(TABLE))

    answer = talk_to(settings, talk)
    first, missing, again = lines_of(tmp_path)
    assert first["inputs"].keys() == {"age", "color"}
    assert first["masked"] == ["color", "height"]
    assert len(first["inputs"]["color"]) == 32
    assert (missing["inputs"]["color"], again["inputs"]["color"]) == (None, first["inputs"]["color"])
    (file,) = tmp_path.glob("bulk-*.records")
    ((head, given, _, _),) = records(file.read_bytes())
    logged = read(given)
    assert head["masked"] == ["color", "height"]
    assert logged.column_names == ["color", "age"] or set(logged.column_names) == {"color", "age"}
    assert logged["color"].to_pylist()[0] == first["inputs"]["color"]
    assert answer.status_code == 200
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("*-*"))
    # As JSON has it, and as Arrow has a column.
    assert b'"red"' not in everything
    assert b"redblue" not in everything
    assert b"170.5" not in everything
    assert json.loads(json.dumps(head))["kind"] == ARROW
