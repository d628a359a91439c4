"""A Parquet file that is streamed, in parts of some hundred rows."""

import sys
from pathlib import Path

import pytest

from lepton_nb.data import buckets
from lepton_nb.data import streaming as room
from lepton_nb.workspace import Workspace

# Files of this folder share `sales`.
sys.path.insert(0, str(Path(__file__).parent))

from sales import frame


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def small(monkeypatch):
    """Files of some hundred rows, and batches that end within row groups."""
    monkeypatch.setattr(buckets, "BUCKET", 4096 * 4)
    monkeypatch.setattr(room, "batch_rows", lambda columns: 333)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sales.parquet"
    frame().to_parquet(path, row_group_size=700)
    return path
