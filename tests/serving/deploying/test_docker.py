"""The Dockerfile's own words, read and run: a plain process stands in for the engine."""

import json
import re
import shutil
import subprocess
import sys

import httpx
import pytest
import yaml

from lepton_nb.processes import free_port
from lepton_nb.runtime import verify_manifest
from lepton_nb.serving.deploying import deploy

ROWS = [{"age": 1.0, "height": None, "color": "red"}]


def instructions(path):
    """(word, rest) of each instruction of a Dockerfile."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def environment(path):
    (text,) = [rest for word, rest in instructions(path) if word == "ENV"]
    return dict(pair.split("=", 1) for pair in text.split())


def last(path, word):
    return [rest for one, rest in instructions(path) if one == word][-1]


@pytest.fixture(scope="module")
def folder(deployable, tmp_path_factory):
    return deploy(deployable(), "docker", tmp_path_factory.mktemp("docker")).folder


def test_the_start_command_answers_with_what_the_image_holds_and_nothing_else(folder, started, answer_by_hand):
    file = folder / "Dockerfile"
    command = json.loads(last(file, "CMD"))
    assert command == ["python", "-m", "lepton_runtime", "--host", "0.0.0.0", "--port", "3000", "--workers", "1"]
    place = folder / last(file, "WORKDIR").replace("/app", "bento")
    env = environment(file)
    with started(command, place, env) as client:
        answer = client.post("/predict", json={"rows": ROWS})
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == "tiny:v1"
        assert answer.json()["predictions"][0]["probabilities"] == pytest.approx(answer_by_hand(1.0, "red"), abs=1e-6)
        assert client.get("/signature", headers={"Host": "tiny:3000"}).status_code == 200
        assert client.get("/signature", headers={"Host": "other"}).status_code == 403
        assert httpx.get(client.base_url.join("/signature"), trust_env=False).status_code == 401
        health = json.loads(last(file, "HEALTHCHECK").partition(" CMD ")[2])
        assert check(health, client.base_url.port) == 0
    assert check(health, free_port()) != 0
    assert not list(folder.rglob("__pycache__"))


def check(command, port):
    words = [sys.executable, *(word.replace("3000", str(port)) for word in command[1:])]
    return subprocess.run(words, capture_output=True).returncode


def test_replicas_are_worker_processes(deployable, tmp_path):
    file = deploy(deployable(), "docker", tmp_path, replicas=3).folder / "Dockerfile"
    assert json.loads(last(file, "CMD"))[-2:] == ["--workers", "3"]


def test_the_image_is_pinned_and_runs_as_a_user_without_rights(folder):
    file = folder / "Dockerfile"
    bases = [rest.split()[0] for word, rest in instructions(file) if word == "FROM"]
    assert bases == ["python:3.11.7-slim-bookworm"] * 2
    assert last(file, "USER") == "10001:10001"
    words = [word for word, _ in instructions(file)]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY"))
    pip = next(rest for word, rest in instructions(file) if word == "RUN" and "pip" in rest)
    assert "--no-deps -r /requirements.txt" in pip
    pins = (folder / "bento/env/python/requirements.txt").read_text().split()
    assert pins
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)


def test_only_the_bento_is_sent_to_the_engine_and_it_is_whole(folder, deployable):
    assert (folder / ".dockerignore").read_text().split() == ["*", "!bento"]
    sources = {rest.split()[-2] for word, rest in instructions(folder / "Dockerfile") if word == "COPY"}
    assert sources == {"bento/env/python/requirements.txt", "bento", "/opt/venv"}
    assert verify_manifest(folder / "bento" / "src" / "model")
    for path in (folder / "bento").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_no_token_is_written_and_nothing_is_told_to_others(folder):
    file = folder / "Dockerfile"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    assert "LEPTON_TOKEN" not in environment(file)
    assert environment(file)["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment(file)["LEPTON_TOKEN_FILE"] == "/run/secrets/lepton_token"
    assert compose["services"]["tiny"]["secrets"] == ["lepton_token"]
    assert compose["secrets"] == {"lepton_token": {"file": "./secret/token"}}


def test_the_container_has_no_more_rights_than_it_needs(folder):
    service = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["tiny"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ports"] == ["127.0.0.1:3000:3000"]
    assert service["restart"] == "unless-stopped"
    log = environment(folder / "Dockerfile")["LEPTON_LOG_DIR"]
    assert service["volumes"] == [f"log:{log}"]


def can_confine():
    return shutil.which("setpriv") and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.nightly
def test_it_serves_where_only_the_log_can_be_written_and_without_any_capability(folder, started, tmp_path):
    if not can_confine():
        pytest.skip("this user may not have mounts of its own (unshare -m)")
    file = folder / "Dockerfile"
    place = folder / "bento" / "src"
    with started(json.loads(last(file, "CMD")), place, environment(file), confined=True) as client:
        assert client.post("/predict", json={"rows": ROWS}).status_code == 200
    output = (tmp_path / "output").read_text()
    assert "Application shutdown complete" in output
    assert not re.search(r"\[W:|\[E:|rror", output)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_plain_environment_made_as_the_image_is_serves_it(packaged, started, tmp_path):
    folder = deploy(packaged("breast_cancer"), "docker", tmp_path / "docker").folder
    file = folder / "Dockerfile"
    (install,) = [rest for word, rest in instructions(file) if word == "RUN" and "pip" in rest]
    install = install.replace("/opt/venv", str(tmp_path / "venv"))
    install = install.replace("/requirements.txt", str(folder / "bento/env/python/requirements.txt"))
    subprocess.run(install.replace("python -m venv", f"{sys.executable} -m venv"), shell=True, check=True)
    command, place = json.loads(last(file, "CMD")), folder / "bento" / "src"
    with started(command, place, environment(file), python=tmp_path / "venv/bin/python") as client:
        signature = client.get("/signature").json()
        rows = [{one["name"]: one["low"] for one in signature["inputs"]}]
        assert client.post("/predict", json={"rows": rows}).status_code == 200
