"""The very file that is served runs in a page, too: `model.onnx` in onnxruntime-web, under Node.js."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lepton_nb.artifact import build, network_probabilities
from lepton_nb.data import load, read
from lepton_nb.runtime.model import Model
from lepton_nb.workspace import Workspace, locked

WEB = Path(__file__).parent / "web"
# `make install` lays a Node.js there when the machine has none that fits.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
NODE, NPM = shutil.which("node", path=PATH), shutil.which("npm", path=PATH)

pytestmark = pytest.mark.skipif(NODE is None or NPM is None, reason="Node.js is missing; make install brings it")


@pytest.fixture(scope="module")
def web(request):
    """A folder with the pinned onnxruntime-web, kept in pytest's cache from one run to the next."""
    lock = (WEB / "package-lock.json").read_bytes()
    place = Path(request.config.cache.mkdir(f"onnxruntime-web-{hashlib.sha256(lock).hexdigest()[:12]}"))
    with locked(place / "installing.lock", timeout=240):
        for name in ("package.json", "package-lock.json", ".npmrc", "answer.mjs"):
            shutil.copy(WEB / name, place)
        # npm writes this file last.
        if not (place / "node_modules" / ".package-lock.json").is_file():
            done = subprocess.run(
                [NPM, "ci", "--loglevel=error"],
                cwd=place,
                env={**os.environ, "PATH": PATH},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def ask(web):
    """Asks the model of a folder in onnxruntime-web."""

    def ask(folder, feeds):
        request = json.dumps({"model": str(folder / "model.onnx"), "feeds": feeds}, allow_nan=False)
        done = subprocess.run([NODE, "answer.mjs"], cwd=web, input=request, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return np.array(answer["values"]).reshape(answer["dims"])

    return ask


def test_pictures_are_answered_as_the_server_and_the_network_answer_them(ask, quick_run, tmp_path) -> None:
    rng = np.random.default_rng(4)
    patterns, classes = rng.random((5, 1, 8, 8)), rng.integers(0, 5, 200)
    values = ((0.6 * patterns[classes] + 0.4 * rng.random((200, 1, 8, 8))) * 255).astype(np.uint8)
    ws = Workspace(tmp_path / ".lepton")
    data = load(ws, (values, classes), name="pictures")
    run = quick_run(ws, data, "cnn", epochs=2)
    folder, inputs = build(ws, run, data).path, read(data, "test")[0]
    for rows in (1, len(inputs["input"])):
        given = inputs["input"][:rows].astype(np.float32)
        feed = {"type": "float32", "dims": list(given.shape), "values": given.ravel().tolist()}
        answers = ask(folder, {"input": feed})
        np.testing.assert_allclose(answers, Model.load(folder).predict({"input": given}), atol=1e-5)
        np.testing.assert_allclose(answers, network_probabilities(run, data, "test")[:rows], atol=1e-5)


def test_a_tables_rows_are_answered_with_gaps_and_texts_that_were_never_seen(ask, quick_run, tmp_path) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"age": rng.normal(40, 12, 300), "city": rng.choice(["oslo", "røst", "東京"], 300)})
    frame["y"] = np.where((frame.age > 40) ^ (frame.city == "røst"), "yes", "no")
    frame.loc[::17, "age"] = np.nan
    ws = Workspace(tmp_path / ".lepton")
    data = load(ws, frame, target="y", name="mixed")
    run = quick_run(ws, data, "mlp", epochs=2)
    folder, inputs = build(ws, run, data).path, read(data, "test")[0]
    inputs["age"][0], inputs["city"][1], inputs["city"][2] = np.nan, "nowhere", ""
    count = len(inputs["age"])
    ages = [None if np.isnan(one) else float(one) for one in inputs["age"]]
    feeds = {
        "age": {"type": "float64", "dims": [count, 1], "values": ages},
        "city": {"type": "string", "dims": [count, 1], "values": list(inputs["city"])},
    }
    answers = ask(folder, feeds)
    np.testing.assert_allclose(answers, Model.load(folder).predict(inputs), atol=1e-5)
    np.testing.assert_allclose(answers[3:], network_probabilities(run, data, "test")[3:], atol=1e-5)
