"""The unit as systemd itself reads it, its start command, and the script that installs it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from lepton_nb.serving.deploying import deploy

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here, so no unit can be verified")


@pytest.fixture(scope="module")
def folder(deployable, tmp_path_factory):
    return deploy(deployable(), "systemd", tmp_path_factory.mktemp("systemd"), replicas=2).folder


def settings(path):
    """The values per name of a unit, in their order."""
    found = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def environment(unit):
    return dict(pair.split("=", 1) for line in unit["Environment"] for pair in line.split())


@needs_systemd
def test_systemd_takes_the_unit_and_calls_it_well_confined(folder, tmp_path):
    text = (folder / "lepton-tiny.service").read_text()
    # What install.sh puts there is looked for.
    text = text.replace("/opt/lepton/tiny/venv/bin/python", sys.executable)
    unit = tmp_path / "lepton-tiny.service"
    unit.write_text(text.replace("/opt/lepton/tiny/bento/src", str(folder / "bento/src")))
    done = subprocess.run([ANALYZE, "verify", "--man=no", unit], capture_output=True, text=True)
    assert "lepton-tiny" not in done.stderr
    assert done.returncode == 0, done.stderr
    # In tenths: 1.5 of 10, where an ordinary service has 9.6.
    command = [ANALYZE, "security", "--offline=true", "--threshold=15", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_comes_back_after_a_crash_and_after_a_reboot(folder):
    unit = settings(folder / "lepton-tiny.service")
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["WantedBy"] == ["multi-user.target"]
    assert "systemctl enable lepton-tiny\n" in (folder / "install.sh").read_text()


def test_the_token_is_a_credential_and_not_in_the_unit(folder):
    unit = settings(folder / "lepton-tiny.service")
    assert unit["LoadCredential"] == ["token:/etc/lepton/tiny.token"]
    assert environment(unit)["LEPTON_TOKEN_FILE"] == "%d/token"
    assert "LEPTON_TOKEN" not in environment(unit)
    assert unit["EnvironmentFile"] == ["-/etc/lepton/tiny.env"]


def started_as(unit, host="host-1"):
    """The words and the variables of the start, as systemd expands them."""
    env = {name: value.replace("%H", host) for name, value in environment(unit).items()}
    (line,) = unit["ExecStart"]
    return [re.sub(r"^\$\{(\w+)\}$", lambda name: env[name[1]], word) for word in line.split()], env


def test_the_start_command_is_the_runtimes_own_on_loopback(folder):
    unit = settings(folder / "lepton-tiny.service")
    command, env = started_as(unit)
    assert command[0] == "/opt/lepton/tiny/venv/bin/python"
    assert command[1:] == ["-m", "lepton_runtime", "--host", "127.0.0.1", "--port", "3000", "--workers", "2"]
    assert env["LEPTON_ALLOWED_HOSTS"] == "tiny,host-1"
    assert unit["WorkingDirectory"] == ["/opt/lepton/tiny/bento/src"]
    assert (folder / "bento/src/lepton_runtime/__main__.py").is_file()


@pytest.mark.nightly
def test_the_start_command_serves_as_the_unit_says(folder, started):
    command, env = started_as(settings(folder / "lepton-tiny.service"))
    with started(command, folder / "bento/src", env) as client:
        for host in ("localhost:3000", "tiny", "host-1"):
            assert client.get("/signature", headers={"Host": host}).json()["version"] == "tiny:v1"
        assert client.get("/signature", headers={"Host": "other"}).status_code == 403


def run_script(folder, place, python):
    """Run install.sh with all it changes below `place`; its `systemctl` only tells what it was asked."""
    tools = place / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {place}/asked\n')
    (tools / "systemctl").chmod(0o755)
    text = (folder / "install.sh").read_text()
    for root in ("/opt/lepton", "/etc/lepton", "/etc/systemd/system"):
        (place / root[1:]).mkdir(parents=True, exist_ok=True)
        text = text.replace(root, f"{place}{root}")
    script = folder / "moved.sh"
    script.write_text(text)
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHON": str(python)}
    return subprocess.run(["sh", script], env=env, capture_output=True, text=True)


@pytest.fixture
def fake_python(tmp_path):
    """A Python whose environments hold no packages: what pip would do takes minutes, and is a nightly test."""
    path = tmp_path / "python"
    path.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exit "${WRONG:-0}"\nmkdir -p "$3/bin"\n'
        'printf "#!/bin/sh\\nexit 0\\n" > "$3/bin/python"\nchmod +x "$3/bin/python"\n'
    )
    path.chmod(0o755)
    return path


def test_the_script_installs_and_starts_and_keeps_the_token_when_run_again(deployable, fake_python, tmp_path):
    folder = deploy(deployable(), "systemd", tmp_path / "out").folder
    place = tmp_path / "machine"
    done = run_script(folder, place, fake_python)
    assert done.returncode == 0, done.stderr
    token = place / "etc/lepton/tiny.token"
    assert token.stat().st_mode & 0o777 == 0o600
    first = token.read_text()
    assert len(first) >= 40
    assert first not in done.stdout
    assert (place / "opt/lepton/tiny/bento/src/model/model.onnx").is_file()
    assert (place / "opt/lepton/tiny/venv/bin/python").is_file()
    assert (place / "etc/systemd/system/lepton-tiny.service").is_file()
    wanted = ["daemon-reload", "enable lepton-tiny", "restart lepton-tiny"]
    assert (place / "asked").read_text().splitlines() == wanted
    done = run_script(folder, place, fake_python)
    assert done.returncode == 0, done.stderr
    assert token.read_text() == first
    assert (place / "opt/lepton/tiny/bento.old/bento.yaml").is_file()


def test_the_script_refuses_another_python_and_changes_nothing(deployable, fake_python, tmp_path, monkeypatch):
    monkeypatch.setenv("WRONG", "1")
    folder = deploy(deployable(), "systemd", tmp_path / "out").folder
    done = run_script(folder, tmp_path / "machine", fake_python)
    assert done.returncode == 1
    assert "is not Python 3.11" in done.stderr
    assert not (tmp_path / "machine/opt/lepton/tiny").exists()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_what_the_script_installs_serves(packaged, started, tmp_path):
    folder = deploy(packaged("breast_cancer"), "systemd", tmp_path / "out").folder
    place = tmp_path / "machine"
    done = run_script(folder, place, sys.executable)
    assert done.returncode == 0, done.stderr
    unit = settings(place / "etc/systemd/system/lepton-breast-cancer.service")
    command, env = started_as(unit)
    home = place / "opt/lepton/breast-cancer"
    with started(command, home / "bento/src", env, python=home / "venv/bin/python") as client:
        signature = client.get("/signature").json()
        rows = [{one["name"]: one["low"] for one in signature["inputs"]}]
        assert client.post("/predict", json={"rows": rows}).status_code == 200
