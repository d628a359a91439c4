"""Rows that take more memory than the process may have: a child with a limit loads them, and trains on them."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# Beyond what the child has taken when everything is imported and warm.
LIMIT = 230 << 20
ROWS, COLUMNS, GROUP = 480_000, 64, 20_000

CHILD = """
import json, resource, sys
from itertools import islice
from pathlib import Path

import numpy as np

from lepton_nb.data import Choices, load, module, preprocessing
from lepton_nb.data.buckets import assigned
from lepton_nb.data.splits import SplitPlan
from lepton_nb.workspace import Workspace

home, large, small, limit = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
ws = Workspace(home / ".lepton")


def loader_of(file):
    data = load(ws, file, target="y", choices=Choices(stream=True))
    return data, module(data, 1000, seed=3).train_dataloader()


# Once with little: what is imported late and what threads take for themselves is there before the limit.
list(loader_of(small)[1])
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + limit, taken + limit))

data, loader = loader_of(large)
scaler = preprocessing(data).named_transformers_["number"].steps[0][1]
train = assigned(0, sum(data.rows.values()), SplitPlan("random")) == 0


def epoch(loader):
    seen, prints = np.zeros(len(train), np.int8), []
    for x, y in loader:
        rows = np.rint(x[:, 0].double().numpy() * scaler.scale_[0] + scaler.mean_[0]).astype(int)
        assert (rows % 3 == y.numpy()).all()
        np.add.at(seen, rows, 1)
        prints.append([int(rows[0]), float(x.sum())])
    return seen, prints


first, order = epoch(loader)
_, other = epoch(islice(loader, 5))
_, again = loader_of(large)
again.load_state_dict({"epoch": 0, "position": len(order) - 7})
rest = epoch(again)[1]
try:
    load(ws, large, target="y", split="random", choices=Choices(stream=False))
    whole = "loaded"
except Exception as error:
    whole = f"{type(error).__name__} {error}"
print(json.dumps({
    "files": len(list(data.path.glob("train-*"))),
    "streamed": data.streamed,
    "kind": type(loader).__name__,
    "once": bool((first == train).all()),
    "batches": [len(order), len(loader)],
    "differs": order[:5] != other,
    "resumed": rest == order[-7:],
    "whole": whole,
}))
"""


def write(path, rows, group):
    """Random floats, which nothing makes smaller, and the number of each row."""
    names = ["row", *(f"x{i}" for i in range(1, COLUMNS)), "y"]
    schema = pa.schema([*((name, pa.float64()) for name in names[:-1]), ("y", pa.int64())])
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        for start in range(0, rows, group):
            numbers = np.arange(start, min(start + group, rows))
            columns = [numbers.astype(float), *rng.random((COLUMNS - 1, len(numbers))), numbers % 3]
            writer.write_table(pa.table(columns, schema=schema))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_rows_beyond_a_memory_limit_are_trained_on_and_resumed_and_do_not_fit_at_once(tmp_path):
    large, small = tmp_path / "large.parquet", tmp_path / "small.parquet"
    write(large, ROWS, GROUP)
    write(small, 1000, 1000)
    assert ROWS * COLUMNS * 8 > LIMIT
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(large), str(small), str(LIMIT)]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-3000:]
    found = json.loads(child.stdout.splitlines()[-1])
    assert found.pop("whole").startswith(("MemoryError", "ArrowMemoryError", "DataError")), found
    assert found.pop("files") > 1
    batches, expected = found.pop("batches")
    assert batches == expected
    assert found == {"streamed": True, "kind": "StreamedBatches", "once": True, "differs": True, "resumed": True}
