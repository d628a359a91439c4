"""Every command and every block of code of the README, in its order, in one workspace."""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import papermill
import pytest

from lepton_nb import dashboards, serving
from lepton_nb.errors import LeptonError
from lepton_nb.processes import free_port
from lepton_nb.workspace import Workspace

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (lepton .+)$", README, flags=re.MULTILINE)


def blocks(title):
    """The indented blocks of a section."""
    section = re.search(rf"^## {title}(\n.*?)^## ", README, flags=re.MULTILINE | re.DOTALL)[1]
    # A block begins behind an empty line; empty lines within it belong to it.
    found = re.findall(r"(?<=\n\n)((?: {4}.*\n|\n(?= {4}))+)", section)
    return [textwrap.dedent(block) for block in found]


NOTEBOOK, (SCRIPT, CURL) = blocks("In a notebook"), blocks("In Python")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with a table."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "pyproject.toml").touch()
    (folder / "customers.csv").write_text(customers())
    yield folder
    ws = Workspace(folder / ".lepton")
    for deployment in serving.deployments(ws).deployments:
        with contextlib.suppress(LeptonError):
            serving.stop(ws, deployment.name)
    with contextlib.suppress(LeptonError):
        dashboards.stop(ws)


@pytest.fixture(scope="module")
def port():
    """The README names a port that something else may have here."""
    return str(free_port())


def customers():
    rng, lines = random.Random(0), ["month,age,visits,plan,churned"]
    for number in range(240):
        visits, plan = rng.randrange(10), rng.choice(["basic", "premium"])
        churned = "yes" if visits + 3 * (plan == "premium") < 5 else "no"
        lines.append(f"2026-{1 + number // 20:02}-28,{rng.randrange(18, 80)},{visits},{plan},{churned}")
    return "\n".join(lines) + "\n"


def run(command, folder):
    """What a command prints; text goes through a shell, a list does not."""
    environment = {key: value for key, value in os.environ.items() if key != "LEPTON_HOME"}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "NO_PROXY": "127.0.0.1"}
    words = command if isinstance(command, list) else ["bash", "-c", command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_readme_tours_every_verb() -> None:
    from lepton_nb.commands import VERBS

    toured = {path for path in VERBS for command in COMMANDS if command.startswith(f"lepton {path}")}
    assert set(VERBS) - toured == {"output"}


def test_every_cell_of_the_readme_works_in_a_kernel(folder, monkeypatch) -> None:
    monkeypatch.delenv("LEPTON_HOME", raising=False)
    assert any("class MyNet" in block for block in NOTEBOOK)
    cells = [nbformat.v4.new_code_cell(block) for block in NOTEBOOK]
    # The notebook stands beside the table, as a user's would.
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": ""}})
    nbformat.write(notebook, folder / "readme.ipynb")
    papermill.execute_notebook(
        str(folder / "readme.ipynb"), str(folder / "done.ipynb"), cwd=str(folder), progress_bar=False, language="python"
    )
    assert [d.status for d in serving.deployments(Workspace(folder / ".lepton")).deployments] == ["stopped"]


def test_every_command_of_the_readme_works_in_its_order(folder) -> None:
    before = set((folder / ".lepton" / "runs").glob("*"))
    for command in COMMANDS:
        said = run(command, folder)
        assert said.strip(), command
        if command == "lepton pipeline status":
            assert re.search(r"^fit-3 +completed +cached .*\nchoose +completed +run ", said, flags=re.MULTILINE), said
    assert (folder / "answers.csv").read_text().startswith("id,label,")
    assert set((folder / ".lepton" / "runs").glob("*")) == before


def test_the_script_of_the_readme_trains_and_serves(folder, port) -> None:
    (folder / "churn.py").write_text(SCRIPT.replace("3000", port))
    accuracy, name = run([sys.executable, "churn.py"], folder).split()
    assert float(accuracy) > 0.6
    assert name == "churn"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_request_of_the_readme_is_answered(folder, port) -> None:
    answer = json.loads(run(CURL.replace("3000", port), folder))
    assert answer["version"].startswith("churn:")
    assert [one["label"] in ("yes", "no") for one in answer["predictions"]] == [True]
