"""Weights from a hub: a server on this machine that answers as the Hugging Face Hub does, and none at all."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

WEIGHTS = b"not looked at while it is fetched"
PROGRAM = """
import sys, time
from lepton_nb.errors import NotFoundError
from lepton_nb.models.hubs import fetch_weights
try:
    print(fetch_weights(sys.argv[1]).read_bytes().decode())
except NotFoundError as error:
    print(error)
"""


class Hub(BaseHTTPRequestHandler):
    def _head(self):
        found = self.path == "/team/net/resolve/main/model.safetensors"
        self.send_response(200 if found else 404)
        if found:
            self.send_header("ETag", '"0123456789abcdef"')
            self.send_header("X-Repo-Commit", "0" * 40)
        else:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(WEIGHTS) if found else 0))
        self.end_headers()
        return found

    def do_HEAD(self):
        self._head()

    def do_GET(self):
        if self._head():
            self.wfile.write(WEIGHTS)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetched(hub, tmp_path):
    """What a fresh process says that fetches weights, from a hub at that place and with a cache of its own."""
    without = ("HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    env = {name: value for name, value in os.environ.items() if name not in without}
    env |= {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}

    def fetch(source):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, source], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    return fetch


def test_what_was_fetched_once_is_there_without_the_hub(hub, fetched):
    assert fetched("hf:team/net")[0] == WEIGHTS.decode()
    hub.shutdown()
    hub.server_close()
    assert fetched("hf:team/net") == (WEIGHTS.decode(), "")


def test_what_the_hub_does_not_have_is_told_by_name(fetched):
    told, _ = fetched("hf:team/other")
    assert told.startswith(
        "weights 'hf:team/other' were not fetched; expected a hub that can be reached, with team/other"
    )
    assert "RepositoryNotFoundError" in told


def test_a_hub_that_cannot_be_reached_is_one_message_at_once(hub, fetched):
    hub.shutdown()
    hub.server_close()
    told, warned = fetched("timm:resnet18")
    assert told.startswith("weights 'timm:resnet18' were not fetched; expected a hub that can be reached")
    # No line for each time that it was asked again.
    assert warned == ""
