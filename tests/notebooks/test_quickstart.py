"""The main job, once, as `make demo` runs it; what it reports is checked, and that it left nothing running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

from lepton_nb.runtime import verify_manifest
from lepton_nb.workspace import Workspace

ROOT = Path(__file__).parents[2]
# The job trains, builds and serves; a busy machine takes several times what an idle one does.
pytestmark = pytest.mark.timeout(1200)
DATASETS = {"digits": 0.97, "breast_cancer": 0.95}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The finished job: its process, its workspace and its summary."""
    ws = Workspace(tmp_path_factory.mktemp("quickstart") / ".lepton")
    environment = {**os.environ, "LEPTON_HOME": str(ws.home)}
    command = [sys.executable, "-m", "lepton_nb.cli", "pipeline", "run", "notebooks/pipelines/quickstart.yml"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done, ws, json.loads((ws.home / "demo" / "summary.json").read_text())


@pytest.mark.parametrize(("name", "accuracy"), DATASETS.items())
def test_both_models_are_good_and_are_served_as_they_were_trained(job, name, accuracy) -> None:
    result = job[2]["datasets"][name]
    assert result["test_accuracy"] >= accuracy
    assert result["served_max_abs_diff"] <= 1e-5
    assert 0 < result["p50_ms"] <= result["p95_ms"]
    assert 0 <= result["calibration_error"] <= 1
    assert result["parameters"] > 0
    assert result["peak_memory_mb"] > 0


@pytest.mark.parametrize("name", DATASETS)
def test_shifted_traffic_drifts_and_ordinary_traffic_does_not(job, name) -> None:
    result = job[2]["datasets"][name]
    assert result["drift_ordinary"] is False
    assert result["drift_shifted"] is True


@pytest.mark.parametrize("name", DATASETS)
def test_the_bento_is_in_the_store_with_the_size_that_is_told(job, name) -> None:
    _, ws, summary = job
    label, version = summary["datasets"][name]["bento"].split(":")
    model = ws.bentoml / "bentos" / label / version / "src" / "model"
    assert (model / "model.onnx").stat().st_size == summary["datasets"][name]["model_bytes"]
    assert "model.onnx" in verify_manifest(model).files


def test_every_step_has_an_executed_notebook_without_an_error(job) -> None:
    _, _, summary = job
    notebooks = sorted(Path(summary["datasets"]["digits"]["notebooks"]).glob("*.ipynb"))
    assert len(notebooks) == 11
    for path in notebooks:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells), path
        assert not [out for cell in cells for out in cell.outputs if out.output_type == "error"], path


def test_the_table_for_people_says_what_the_json_says(job) -> None:
    _, ws, summary = job
    text = (ws.home / "demo" / "summary.txt").read_text()
    for result in summary["datasets"].values():
        assert result["bento"] in text
        assert f"{result['test_accuracy']:.4g}" in text
    assert "dashboard" in text


def test_progress_of_the_steps_is_shown(job) -> None:
    assert "11/11" in job[0].stderr


def test_nothing_that_the_job_started_still_runs(job) -> None:
    home = str(job[1].home)
    left = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            if home in " ".join(process.info["cmdline"] or []) or process.environ().get("LEPTON_HOME") == home:
                left.append(process.info)
        except psutil.Error:
            continue
    assert left == []


def test_the_job_says_how_long_it_took(job) -> None:
    assert 0 < job[2]["seconds"] < 900


def test_the_records_hold_no_token(job) -> None:
    ws = job[1]
    tokens = [path.read_text().strip() for path in ws.deployments.glob("*/token")]
    texts = [*ws.pipelines.rglob("*.ipynb"), *ws.pipelines.rglob("*.json"), *ws.pipelines.rglob("log")]
    assert tokens
    assert texts
    for path in texts:
        assert not [path for token in tokens if token in path.read_text(errors="replace")]
