"""Files of this folder share `judging`, and a clock that begins with each test."""

import sys
import time
from pathlib import Path

import fsspec
import pytest

from lepton_nb.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _now(request):
    """The `NOW` of a file is the time of each test: the file itself was read many minutes before."""
    if hasattr(request.module, "NOW"):
        request.module.NOW = time.time()


@pytest.fixture(params=["file", "memory"])
def place(request, tmp_path):
    """A URL that two machines reach."""
    if request.param == "file":
        yield f"file://{tmp_path / 'bucket'}"
        return
    url = f"memory://{tmp_path.name}"
    yield url
    files, base = fsspec.core.url_to_fs(url)
    files.rm(base, recursive=True)


@pytest.fixture
def here(tmp_path):
    return Workspace(tmp_path / "here" / ".lepton")
