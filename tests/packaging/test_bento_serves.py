"""A Bento answers as the trained network does, where neither lepton_nb nor torch can be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lepton_nb.artifact import network_probabilities
from lepton_nb.artifact.golden import check_answers
from lepton_nb.data import read
from lepton_nb.runtime.model import Model


def rows_of(inputs):
    """JSON rows, with null where a number is missing."""
    columns = {name: values.tolist() for name, values in inputs.items()}
    return [
        {name: None if value != value else value for name, value in zip(columns, row, strict=True)}  # noqa: PLR0124
        for row in zip(*columns.values(), strict=True)
    ]


def ask(client, inputs):
    answer = client.post("/predict", json={"rows": rows_of(inputs)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_blocker_blocks(blocked_env):
    for name in ("torch", "lepton_nb", "sklearn"):
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}"], env={**os.environ, **blocked_env}, capture_output=True, text=True
        )
        assert "(blocked)" in done.stderr


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_every_test_row_is_answered_as_the_trained_network_answers_it(
    name, trained, packaged, serve_bento, blocked_env, tmp_path
):
    one, bento = trained(name), packaged(name)
    inputs, _ = read(one.data, "test")
    with serve_bento(bento, tmp_path, extra=blocked_env) as client:
        answer = ask(client, inputs)
        golden = json.loads((bento.model / "golden.json").read_text())
        same = client.post("/predict", json={"rows": golden["rows"]}).json()["predictions"]
        refused = client.post("/predict", json={"rows": [{}]})
        unknown = client.post("/predict", json={}, headers={"Authorization": "Bearer no"})
    served = np.array([one["probabilities"] for one in answer["predictions"]])
    assert check_answers(np.array([one["probabilities"] for one in same]), golden) <= 1e-5
    assert answer["version"] == bento.tag
    assert np.abs(served - network_probabilities(one.run, one.data, "test")).max() <= 1e-5
    np.testing.assert_array_equal(served.astype(np.float32), Model.load(bento.model).predict(inputs))
    assert [p["label"] for p in answer["predictions"]] == [one.data.classes[i] for i in served.argmax(axis=1)]
    assert refused.status_code == 422
    assert unknown.status_code == 401


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_fresh_environment_with_the_bentos_own_requirements_serves_it(trained, packaged, serve_bento, tmp_path):
    one, bento = trained("digits"), packaged("digits")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    requirements = bento.path / "env" / "python" / "requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-r", requirements], check=True)
    subprocess.run([python, "-m", "pip", "check"], check=True)
    listed = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout.lower()
    assert not {"torch", "lepton-nb", "scikit-learn", "pandas", "mlflow"} & set(listed.split())
    inputs, _ = read(one.data, "test")
    with serve_bento(bento, tmp_path, python=python) as client:
        answer = ask(client, inputs)
    served = np.array([one["probabilities"] for one in answer["predictions"]])
    assert np.abs(served - network_probabilities(one.run, one.data, "test")).max() <= 1e-5
