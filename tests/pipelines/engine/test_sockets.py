"""The folders of kernels' sockets go with their owners, however those end."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import lepton_nb
from lepton_nb.pipelines.engine import SocketFolder

KILLED = """
import os
from lepton_nb.pipelines.engine import SocketFolder
print(SocketFolder().name, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_goes_and_what_is_used_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    used = SocketFolder()
    other = tmp_path / "lepton-ipc-99999999-thesis"
    other.mkdir()
    (Path(used.name) / "socket").touch()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", KILLED]
    there = Path(lepton_nb.__file__).parents[1]
    killed = subprocess.run(command, cwd=there, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    left = Path(killed.stdout.strip())
    assert left.parent == tmp_path
    assert left.is_dir()
    with SocketFolder() as folder:
        assert not left.exists()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (Path(used.name) / "socket").exists()
    used.cleanup()
    assert list(tmp_path.iterdir()) == [other]
