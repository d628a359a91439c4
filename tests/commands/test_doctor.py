"""What works is told as ok, the rest as MISSING with its verbs and the next step; nothing is written."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from lepton_nb.commands import doctor as module
from lepton_nb.commands import face
from lepton_nb.errors import TrackingError

ROOT = Path(__file__).parents[2]
doctor = face("doctor")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEPTON_HOME", str(folder / ".lepton"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """Runs the shell's doctor in an empty project and an environment that lacks Voila and every browser."""
    place = tmp_path_factory.mktemp("environment")
    site, project = place / "site", place / "project"
    for folder in (site, project, place / "bin"):
        folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("voila", "playwright")) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LEPTON_", "MLFLOW_"))},
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(site))),
        "PATH": str(place / "bin"),
        "LEPTON_HOME": str(project / ".lepton"),
    }
    command = [sys.executable, "-S", "-m", "lepton_nb.cli", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done, {one["what"]: one for one in json.loads(done.stdout)["findings"]}, project


def test_a_package_that_is_not_installed_is_missing_with_its_verbs_and_what_installs_it(hidden) -> None:
    found = hidden[1]["voila"]
    assert found == {
        "what": "voila",
        "ok": False,
        "detail": "not installed",
        "verbs": "dashboard",
        "hint": "pip install voila",
    }


def test_a_machine_without_a_browser_is_told_so(hidden) -> None:
    found = hidden[1]["browser"]
    assert not found["ok"]
    assert "none on this machine" in found["detail"]
    assert "apt install chromium" in found["hint"]
    assert "dashboard" in found["verbs"]


def test_what_is_there_is_told_as_working_beside_what_is_missing(hidden) -> None:
    assert {name for name, one in hidden[1].items() if not one["ok"]} - {"JupyterLab extension"} == {"voila", "browser"}
    assert "a trial store works" in hidden[1]["store"]["detail"]
    assert sys.executable in hidden[1]["kernel"]["detail"]


def test_doctor_writes_nothing_in_an_empty_project_and_says_nothing_beside_its_answer(hidden) -> None:
    done, _, project = hidden
    assert list(project.iterdir()) == []
    assert done.stderr == ""


def test_a_package_whose_files_are_gone_is_missing_in_the_table_with_what_repairs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "voila", None)
    voila = next(one for one in module._packages() if one.what == "voila")
    assert (voila.ok, voila.hint) == (False, "pip install --force-reinstall voila")
    diagnosis = module.Diagnosis((voila,))
    assert not diagnosis.ok
    line = next(line for line in diagnosis.as_text().splitlines() if line.startswith("voila"))
    for part in ("MISSING", "dashboard", "its files are gone", "pip install --force-reinstall voila"):
        assert part in line
    assert "1 of 1 need attention" in diagnosis.as_text()


def test_a_broken_store_is_missing_and_left_as_it_is(project) -> None:
    (project / ".lepton").mkdir()
    database = project / ".lepton" / "mlflow.db"
    database.write_bytes(b"this is no database" * 100)
    found = module._store(module.current())
    assert not found.ok
    assert "database" in found.detail
    assert str(database) in found.hint
    assert found.verbs == "runs, train, evaluate"
    assert database.read_bytes() == b"this is no database" * 100
    assert list((project / ".lepton").iterdir()) == [database]


def test_a_workspace_that_cannot_be_made_is_told_with_its_path(project, monkeypatch) -> None:
    (project / "file").write_text("")
    monkeypatch.setenv("LEPTON_HOME", str(project / "file"))
    found = module._store(module.current())
    assert not found.ok
    assert str(project / "file") in found.detail
    assert "Not a directory" in found.detail


def test_a_server_that_does_not_answer_is_told_with_the_errors_own_next_step(project, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found = module._store(module.current())
    assert not found.ok
    assert TrackingError.__name__ in found.detail
    assert "127.0.0.1:9" in found.detail
    assert "start it, or unset MLFLOW_TRACKING_URI to use the workspace's own store" in found.hint
    assert list(project.iterdir()) == []


def test_a_long_failure_is_told_whole_and_on_one_line() -> None:
    def fail():
        raise ValueError("a\n" + "b" * 300 + " end")

    found = module._tried("part", "verb", "do this", fail)
    assert found.detail == f"ValueError: a {'b' * 300} end"
    assert found.hint == "do this"


@pytest.fixture
def browser_called(tmp_path, monkeypatch):
    """Puts a program called chromium first on the path."""

    def make(script):
        program = tmp_path / "bin" / "chromium"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/nowhere")
        monkeypatch.setitem(sys.modules, "playwright", None)
        return program

    return make


def test_a_browser_that_is_there_but_does_not_start_is_missing_with_its_last_words(browser_called) -> None:
    program = browser_called("echo 'first' >&2; echo 'no usable sandbox' >&2; exit 7")
    found = module._browser()
    assert not found.ok
    for part in (str(program), "exit status 7", "no usable sandbox"):
        assert part in found.detail
    assert "playwright install chromium" in found.hint


def test_a_browser_that_hangs_is_ended_and_told(browser_called, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.5)
    browser_called(f"/bin/sleep 600 & echo $! > {tmp_path}/pid; wait")
    found = module._browser()
    assert not found.ok
    assert "did not answer" in found.detail
    child = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    assert not child.exists() or child.read_text().split()[2] == "Z"


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_a_real_browser_is_started_and_shows_a_page(monkeypatch) -> None:
    found = module._browser()
    assert found.ok, found.detail
    assert found.detail == shutil.which("chromium")


def test_playwrights_own_chromium_is_known(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = Path(playwright.chromium.executable_path)
    assert program.is_relative_to(tmp_path)
    assert list(module._browsers()) == []
    program.parent.mkdir(parents=True)
    program.write_text("")
    assert list(module._browsers()) == [str(program)]
