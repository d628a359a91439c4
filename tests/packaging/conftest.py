"""A built Bento under `bentoml serve`, in a process that has nothing but what the Bento asks for."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
import time
import warnings
import zipfile
from pathlib import Path

import httpx
import pytest

from lepton_nb.errors import LeptonError
from lepton_nb.packaging import import_package
from lepton_nb.processes import free_port, is_alive, start, stop
from lepton_nb.workspace import Workspace, file_sha256

# Files of this folder share `tensor_nets`.
sys.path.insert(0, str(Path(__file__).parent))

TOKEN = "a-token-for-tests"
BLOCKED = ("torch", "pytorch_lightning", "lepton_nb", "sklearn", "skl2onnx", "onnx", "mlflow", "pandas")
BLOCKER = f"""
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)


sys.meta_path.insert(0, Blocked())
"""


@contextlib.contextmanager
def serving(bento, folder, *, python=sys.executable, extra=None):
    """`bentoml serve` of a Bento on loopback; gives a client with the token."""
    port, log = free_port(), folder / "serve.log"
    home = bento.path.parents[2]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LEPTON_", "BENTOML_", "PYTHON"))}
    env = {**kept, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "LEPTON_TOKEN": TOKEN, **(extra or {})}
    command = [str(python), "-m", "bentoml", "serve", bento.tag, "--host", "127.0.0.1", "--port", str(port)]
    server = start(command, log=log, cwd=folder, env=env)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False
    )
    try:
        deadline = time.monotonic() + 120
        while not _is_ready(client):
            assert is_alive(server), log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield client
    finally:
        client.close()
        stop(server)


def _is_ready(client):
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def serve_bento():
    return serving


@pytest.fixture
def blocked_env(tmp_path):
    """The environment in which importing lepton_nb, torch and their like fails."""
    place = tmp_path / "blocker"
    place.mkdir()
    (place / "sitecustomize.py").write_text(BLOCKER)
    return {"PYTHONPATH": str(place)}


def _repack(bento, out, change=None, *, listed=None, extra=(), compress=None, seal=True):
    """Write a Bento as one file, as lepton does but for what is changed.

    `change` gets the model's files by name, `listed` the list of contents; `extra` are further members, as ZipInfo or
    name and bytes, which the list names too; `compress` names members that are deflated.
    """
    found = [path for path in sorted(bento.path.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    files = {path.relative_to(bento.path).as_posix(): path.read_bytes() for path in found}
    model = {name.removeprefix("src/model/"): body for name, body in files.items() if name.startswith("src/model/")}
    if change:
        change(model)
    if seal and change:
        manifest = json.loads(model["manifest.json"])
        manifest["files"] = {
            name: hashlib.sha256(body).hexdigest() for name, body in model.items() if name != "manifest.json"
        }
        model["manifest.json"] = json.dumps(manifest).encode()
    files = {name: body for name, body in files.items() if not name.startswith("src/model/")}
    files |= {f"src/model/{name}": body for name, body in model.items()}
    name, _, version = bento.tag.partition(":")
    every = [*files.items(), *extra]
    sums = {
        getattr(info, "filename", info): {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for info, body in every
    }
    contents = {"format": 1, "name": name, "version": version, "files": sums}
    if listed:
        listed(contents)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info, body in [("package.json", json.dumps(contents).encode()), *every]:
            kind = zipfile.ZIP_DEFLATED if compress and info in compress else None
            archive.writestr(info, body, kind)
    return out


@pytest.fixture
def repack():
    return _repack


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "canary"


@pytest.fixture
def ws(packaged, tmp_path, monkeypatch):
    """A store with a Bento in it already."""
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    ws = Workspace(tmp_path / "project" / ".lepton")
    shutil.copytree(packaged("breast_cancer").path, ws.bentoml / "bentos" / "there" / "1")
    (ws.bentoml / "bentos" / "there" / "latest").write_text("1")
    return ws


@pytest.fixture
def refused(ws, canary, tmp_path):
    """Imports a file and holds that it is refused with these words and has left no trace."""

    def check(file, words, *, allow_code=False):
        before = snapshot(tmp_path, file)
        with pytest.raises(LeptonError, match=words) as caught:
            import_package(ws, file, allow_code=allow_code)
        assert snapshot(tmp_path, file) == before
        assert not canary.exists()
        assert "\n" not in str(caught.value)

    return check


def snapshot(root, *but):
    """Every name below a folder, with what it is, when it was changed and what it holds."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.is_file() and file_sha256(path),
        )
        for path in root.rglob("*")
        if path not in but
    }


@pytest.fixture
def package(packaged, repack, tmp_path):
    def make(change=None, **options):
        return repack(packaged("breast_cancer"), tmp_path / "bad.lepton", change, **options)

    return make


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Trains and packages a network of `tensor_nets` by its name, once each; it is served when it is asked."""
    import served_nets

    from lepton_nb import serving

    started = []

    @functools.cache
    def make(name):
        started.append(served_nets.made_of(name, tmp_path_factory.mktemp(name)))
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield make
    for one in started:
        for deployment in one.served:
            serving.stop(one.ws, deployment.name)
