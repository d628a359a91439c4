"""What the pipeline tests share: tiny notebooks, and the fake executor that runs them without a kernel."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import psutil
import pytest

from lepton_nb.pipelines import OUTPUT_FILE, StepJob, StepResult
from lepton_nb.pipelines.outputs import read_outputs
from lepton_nb.workspace import Workspace

REPORT = "from lepton_nb.pipelines import record_output\n"

LINE = """
parameters: {fail: ""}
steps:
  live: {notebook: live.ipynb, cache: false}
  middle: {notebook: middle.ipynb, parameters: {x: "{live.x}", fail: "{fail}"}}
  last: {notebook: last.ipynb, needs: [middle]}
finally: [tidy]
"""

TIDY = "  tidy: {notebook: tidy.ipynb}\n"

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


@pytest.fixture
def line(notebook, pipeline, tmp_path):
    count = "open('count-{}', 'a').write('1')\n"
    notebook("live", REPORT + count.format("live") + "record_output('x', 1)")
    middle = (
        count.format("middle") + "if fail == 'once' and open('count-middle').read() == '1': raise RuntimeError('no')"
    )
    notebook("middle", "# parameters\nx = 0\nfail = ''", middle)
    notebook("last", count.format("last"))
    notebook("tidy", count.format("tidy"))
    return pipeline(LINE.replace("finally", TIDY + "finally"))


@pytest.fixture
def times(tmp_path):
    """How often each step ran."""
    return lambda: {file.name[6:]: len(file.read_text()) for file in tmp_path.glob("count-*")}


def cut_at(executor, name, cause):
    """An executor that does its work until a step ends, and is then interrupted."""
    wait = executor.wait

    def interrupted(seconds):
        result = wait(seconds)
        if result and result.name == name:
            executor.wait = wait
            raise cause
        return result

    executor.wait = interrupted
    return executor


@pytest.fixture
def job(tmp_path, notebook):
    def make(name, *cells, **options):
        (tmp_path / "steps" / name).mkdir(parents=True)
        executed = tmp_path / "steps" / f"{name}.ipynb"
        return StepJob(name, notebook(name, *cells), executed, tmp_path / "steps" / name, tmp_path, **options)

    return make


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(condition)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
