"""Networks that several files train are found by their trainers, too: a job says where its notebook imports from."""

import sys
from pathlib import Path

import pytest

from lepton_nb import data
from lepton_nb.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    """A workspace with a store of its own, for one file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Workspace(tmp_path_factory.mktemp("project") / ".lepton")


@pytest.fixture(scope="module")
def table(ws):
    """150 rows of four numbers, in three classes."""
    return data.load(ws, "iris")
