"""What the pipeline tests share: tiny notebooks, and the fake executor that runs them without a kernel."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from lepton_nb.pipelines import OUTPUT_FILE, StepJob, StepResult
from lepton_nb.pipelines.outputs import read_outputs
from lepton_nb.workspace import Workspace

WriteNotebook = Callable[..., Path]


def write_notebook(path: Path, *cells: str, language: str = "python") -> Path:
    """A notebook of code cells; the one that starts with `# parameters` carries that tag."""
    body = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {"tags": ["parameters"]} if source.startswith("# parameters") else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": language}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": body}))
    return path


class FakeExecutor:
    """Runs a step's cells in this process, one step at each `wait`, in the order of their start."""

    def __init__(self) -> None:
        self.jobs: list[StepJob] = []
        self.started: list[str] = []
        self.most_at_once = 0

    def start(self, job: StepJob) -> None:
        self.jobs.append(job)
        self.started.append(job.name)
        self.most_at_once = max(self.most_at_once, len(self.jobs))

    def wait(self, seconds: float) -> StepResult | None:
        return self._execute(self.jobs.pop(0)) if self.jobs else None

    def stop(self) -> None:
        self.jobs.clear()

    def _execute(self, job: StepJob) -> StepResult:
        begun, notebook = time.monotonic(), json.loads(job.notebook.read_text())
        cells = _injected(notebook["cells"], job.parameters)
        outputs = job.folder / "outputs.jsonl"
        error, status, number = "", "completed", 0
        environment = {**job.environment, OUTPUT_FILE: str(outputs)}
        with mock.patch.dict(os.environ, environment), contextlib.chdir(job.cwd):
            names: dict[str, object] = {"__name__": "__main__"}
            for number, cell in enumerate(cells, 1):
                cell["execution_count"] = number
                try:
                    exec(cell["source"], names)
                except (Exception, SystemExit) as cause:  # noqa: BLE001 - whatever a cell raises is its failure
                    error = " ".join(f"{type(cause).__name__}: {cause}".split())
                    status = "incomplete" if isinstance(cause, SystemExit) and not cause.code else "failed"
                    break
        job.executed.write_text(json.dumps({**notebook, "cells": cells}))
        seconds = time.monotonic() - begun
        return StepResult(job.name, status, read_outputs(outputs), seconds, None, error, number if error else None)


def _injected(cells, parameters):
    if not parameters:
        return cells
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    place = next((n for n, cell in enumerate(cells, 1) if cell["metadata"].get("tags") == ["parameters"]), 0)
    injected = {**cells[0], "id": "injected", "metadata": {"tags": ["injected-parameters"]}, "source": "\n".join(lines)}
    return [*cells[:place], injected, *cells[place:]]


@pytest.fixture
def fake_executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def notebook(tmp_path: Path) -> WriteNotebook:
    """Writes a notebook into the project: `notebook("train", cell, cell)`."""
    return lambda name, *cells, **options: write_notebook(tmp_path / f"{name}.ipynb", *cells, **options)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the pipeline file."""

    def write(text: str) -> Path:
        (tmp_path / "pipeline.yml").write_text(text)
        return tmp_path / "pipeline.yml"

    return write
