"""Deployments of a tiny model that are watched."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny import Tiny

from lepton_nb.loop import stop as stop_watch
from lepton_nb.loop import watches
from lepton_nb.serving import deployments, stop
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    """A workspace whose watches and deployments are stopped at the end, come what may."""
    ws = Workspace(tmp_path / ".lepton")
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    monkeypatch.setenv("LEPTON_HOME", str(ws.home))
    yield ws
    while Tiny.clients:
        Tiny.clients.pop().close()
    for one in watches(ws).watches:
        stop_watch(ws, one.name)
    for one in deployments(ws).deployments:
        if one.status == "running":
            stop(ws, one.name)
