"""Every shell command of the README, in its order, in one workspace."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^\$ (lepton .+)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with the pipelines, and a run of one so that there is a status to show."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "pyproject.toml").touch()
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (folder / "notebooks" / "pipelines" / "one.yml").write_text(
        "steps: {ingest: {notebook: ingest.ipynb, parameters: {source: breast_cancer}}}\n"
    )
    run("lepton pipeline run notebooks/pipelines/one.yml", folder)
    return folder


def run(command, folder):
    environment = {key: value for key, value in os.environ.items() if key != "LEPTON_HOME"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(command.split(), cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_readme_tours_every_verb() -> None:
    from lepton_nb.commands import VERBS

    toured = {path for path in VERBS for command in COMMANDS if command.startswith(f"lepton {path}")}
    assert set(VERBS) - toured == {"output", "pipeline run"}


def test_every_command_of_the_readme_works_in_its_order(folder) -> None:
    for command in COMMANDS:
        assert run(command, folder).strip(), command
    assert (folder / "answers.csv").read_text().startswith("id,label,")
    assert not (folder / ".lepton" / "runs").exists() or not any((folder / ".lepton" / "runs").iterdir())
