"""Every tutorial runs as it is, in a folder of its own, and stops what it starts."""

from pathlib import Path

import papermill
import psutil
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)
TUTORIALS = sorted((ROOT / "notebooks" / "tutorials").glob("*.ipynb"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_runs_and_leaves_nothing_running(path, tmp_path, monkeypatch) -> None:
    home = str(tmp_path / ".lepton")
    monkeypatch.setenv("LEPTON_HOME", home)
    papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), cwd=str(tmp_path), progress_bar=False)
    left = [p for p in psutil.process_iter(["cmdline"]) if home in " ".join(p.info["cmdline"] or [])]
    assert left == []


def test_there_are_tutorials_and_none_holds_an_output() -> None:
    assert TUTORIALS
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        if ".ipynb_checkpoints" not in path.parts:
            assert '"outputs": []' in path.read_text() or '"cell_type": "code"' not in path.read_text()
            assert '"output_type"' not in path.read_text(), path
