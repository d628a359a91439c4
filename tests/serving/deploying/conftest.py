"""A Bento that can be deployed, and a start command that is run as an engine would."""

import contextlib
import http.client
import os
import sys
import time

import httpx
import pytest

from lepton_nb.processes import free_port, is_alive, start, stop

TOKEN = "a-token-for-tests"
BLOCKER = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "lightning", "pytorch_lightning", "lepton_nb", "sklearn", "bentoml"):
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)


sys.meta_path.insert(0, Blocked())
"""

# Its own view of the mounts, in which the rest of the command runs.
SCRIPT = """\
mount -t tmpfs none "$LEPTON_LOG_DIR" &&
mount -o remount,bind,ro / &&
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""
CONFINED = ("unshare", "-m", "sh", "-c", SCRIPT, "sh")


@pytest.fixture(scope="module")
def deployable(make_tiny_bento, tmp_path_factory):
    """Makes Bentos with all that is copied of one, by their tag."""

    def make(tag="tiny:v1"):
        name, _, version = tag.partition(":")
        bento = make_tiny_bento(tmp_path_factory.mktemp("store") / name / version, tag)
        folder = bento.path / "env" / "python"
        folder.mkdir(parents=True)
        (folder / "requirements.txt").write_text("numpy==2.4.6\nonnxruntime==1.31.1\n")
        (folder / "version.txt").write_text("3.11.7")
        cache = bento.path / "src" / "lepton_runtime" / "__pycache__"
        cache.mkdir()
        (cache / "app.cpython-311.pyc").write_bytes(b"old")
        return bento

    return make


@pytest.fixture
def started(tmp_path):
    """Runs a start command where neither lepton_nb nor torch can be imported; gives a client with the token.

    Only the address that it listens at is another than the command says. `confined`: the file system is read-only but
    for the log, as in the container, and the process has no capabilities.
    """

    @contextlib.contextmanager
    def run(command, cwd, env, *, python=None, confined=False):
        port = free_port()
        words = [{"0.0.0.0": "127.0.0.1", "3000": str(port)}.get(word, word) for word in command]
        assert words != command
        words[0] = str(python or sys.executable)
        words = [*CONFINED, *words] if confined else words
        blocker, token, log = tmp_path / "blocker", tmp_path / "token", tmp_path / "log"
        for folder in (blocker, log):
            folder.mkdir(exist_ok=True)
        (blocker / "sitecustomize.py").write_text(BLOCKER)
        token.write_text(TOKEN + "\n")
        given = {**env, "LEPTON_TOKEN_FILE": str(token), "LEPTON_LOG_DIR": str(log)}
        given |= {"PATH": os.environ["PATH"], "PYTHONPATH": "" if python else str(blocker)}
        output = tmp_path / "output"
        server = start(words, log=output, cwd=cwd, env=given)
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 60
            while not _is_ready(port):
                assert is_alive(server), output.read_text()
                assert time.monotonic() < deadline, output.read_text()
                time.sleep(0.05)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
                yield client
        finally:
            stop(server)

    return run


def _is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
