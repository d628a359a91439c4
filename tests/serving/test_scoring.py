"""Files of rows are answered without a server, bit by bit."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lepton_nb.errors import DataError, NotFoundError, ServingError, UsageError
from lepton_nb.records import Progress
from lepton_nb.runtime import Input, Output, Signature
from lepton_nb.serving import predict_bento, score
from lepton_nb.serving.answering import _batches

ROWS = 40_000


def frame(rows: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    values = pd.DataFrame(
        {
            "target": generator.integers(0, 2, rows),
            "color": generator.choice(["red", "blue", "green", None], rows),
            "height": generator.integers(0, 200, rows),
            "age": generator.normal(size=rows),
        }
    )
    values.loc[values.index % 7 == 0, "age"] = None
    return values


def test_a_file_is_answered_as_its_rows_are_and_the_progress_is_told(bento, tmp_path):
    given, out, told = frame(ROWS), tmp_path / "out.parquet", []
    given.to_parquet(tmp_path / "in.parquet")
    done = score(bento, tmp_path / "in.parquet", out, report=told.append)
    answers = pd.read_parquet(out)
    assert (done.rows, done.files, len(answers)) == (ROWS, (out,), ROWS)
    expected = predict_bento(bento, given.drop(columns="target").head(500)).frame()
    assert answers.head(500)["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(answers.head(500)[["no", "yes"]], expected[["no", "yes"]], atol=1e-6)
    progress = [event for event in told if isinstance(event, Progress)]
    assert (progress[0].done, progress[-1].done, {event.total for event in progress}) == (0, ROWS, {ROWS})
    assert len(progress) > 3
    assert "rows/s" in str(done.table())


def test_a_folder_of_files_is_answered_into_a_folder(bento, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        frame(100 + number, number).to_parquet(tmp_path / "in" / f"part-{number}.parquet")
    done = score(bento, tmp_path / "in", tmp_path / "out")
    assert done.rows == 303
    assert [pq.read_metadata(path).num_rows for path in done.files] == [100, 101, 102]
    assert [path.name for path in done.files] == [f"part-{number}.parquet" for number in range(3)]


def test_a_row_that_does_not_fit_is_named_and_what_was_there_stays(bento, tmp_path):
    given = frame(20_000)
    given["age"] = given["age"].astype(object)
    out = tmp_path / "out.parquet"
    out.write_bytes(b"of before")
    given["age"] = given["age"].astype(float)
    given.loc[17_000, "age"] = float("inf")
    given.to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"in\.parquet, rows 16384 to 19999: .*age"):
        score(bento, tmp_path / "in.parquet", out)
    assert out.read_bytes() == b"of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]
    given.loc[17_000, "age"] = 1.0
    given.to_parquet(tmp_path / "in.parquet")
    assert score(bento, tmp_path / "in.parquet", out).rows == 20_000


def test_what_is_read_is_never_written_to(bento, tmp_path):
    (tmp_path / "in").mkdir()
    frame(10).to_parquet(tmp_path / "in" / "a.parquet")
    before = (tmp_path / "in" / "a.parquet").read_bytes()
    for path in (tmp_path / "in", tmp_path / "in" / "a.parquet"):
        with pytest.raises(UsageError, match="is what is read"):
            score(bento, path, path)
    assert (tmp_path / "in" / "a.parquet").read_bytes() == before


def test_what_is_no_file_of_rows_is_refused(bento, tmp_path):
    with pytest.raises(NotFoundError, match="does not exist"):
        score(bento, tmp_path / "absent.parquet", tmp_path / "out.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"not a \.parquet file"):
        score(bento, tmp_path / "text.parquet", tmp_path / "out.parquet")
    frame(10).drop(columns="color").to_parquet(tmp_path / "less.parquet")
    with pytest.raises(DataError, match="has no column 'color'"):
        score(bento, tmp_path / "less.parquet", tmp_path / "out.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"has no \.parquet file"):
        score(bento, tmp_path / "empty", tmp_path / "out")
    with pytest.raises(UsageError, match="is a file"):
        score(bento, tmp_path / "empty", tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("shape", "values", "kind"),
    [((), [1.0, 2.0], pa.float32()), ((-1,), [[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32()))],
)
def test_an_array_of_one_value_or_of_any_length_is_read(tmp_path, shape, values, kind):
    pq.write_table(pa.table({"x": pa.array(values, kind)}), tmp_path / "in.parquet")
    signature = Signature("tensors", (), (Input("x", "array", shape),), (Output("o"),))
    (found,) = _batches(tmp_path / "in.parquet", signature)
    assert (found["x"].tolist(), found["x"].dtype) == (values, np.float32)


def test_more_rows_than_fit_into_the_memory_are_answered(bento, tmp_path):
    # 2.4 million rows of 4 columns are more than 70 MiB beside what the process needs anyway; read bit by bit they fit.
    writer, rows = None, 0
    for number in range(24):
        table = pa.Table.from_pandas(frame(100_000, number))
        writer = writer or pq.ParquetWriter(tmp_path / "in.parquet", table.schema)
        writer.write_table(table)
        rows += 100_000
    writer.close()
    script = f"""
import json, resource, sys
from pathlib import Path
from lepton_nb.records import Bento
from lepton_nb.serving import score
bento = Bento("tiny:v1", Path({str(bento.path)!r}), "run-1", {bento.sha256!r}, {bento.model_bytes}, 0.0)
score(bento, Path({str(tmp_path / "one.parquet")!r}), Path({str(tmp_path / "first.parquet")!r}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
done = score(bento, Path({str(tmp_path / "in.parquet")!r}), Path({str(tmp_path / "out.parquet")!r}))
print(json.dumps([done.rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""
    frame(100_000).to_parquet(tmp_path / "one.parquet")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    answered, grown = json.loads(done.stdout)
    assert answered == rows
    assert grown < 60, f"{grown:.0f} MiB more than for 100,000 rows"


@pytest.mark.nightly
def test_files_are_answered_on_ray_as_here(bento, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "in").mkdir()
    for number in range(3):
        frame(200, number).to_parquet(tmp_path / "in" / f"part-{number}.parquet")
    score(bento, tmp_path / "in", tmp_path / "here")
    told = []
    done = score(bento, tmp_path / "in", tmp_path / "there", on="ray", report=told.append)
    assert (done.rows, told[-1].done) == (600, 600)
    for number in range(3):
        here, there = (pd.read_parquet(tmp_path / side / f"part-{number}.parquet") for side in ("here", "there"))
        pd.testing.assert_frame_equal(here, there)
    frame(10).drop(columns="color").to_parquet(tmp_path / "in" / "part-9.parquet")
    with pytest.raises(ServingError, match="has no column 'color'"):
        score(bento, tmp_path / "in", tmp_path / "there", on="ray")
    assert os.environ.get("RAY_AUTH_MODE") is None
