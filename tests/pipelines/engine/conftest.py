"""The papermill command, run as it is, in a process that has its imports done."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from lepton_nb import kernels

_SECONDS = 120


@dataclasses.dataclass
class Said:
    """What a command left: its exit status, what it wrote, and the notebook it made."""

    code: int
    text: str
    path: Path

    @property
    def notebook(self):
        return json.loads(self.path.read_text())

    @property
    def ending(self):
        return self.notebook["metadata"]["lepton"]

    @property
    def cells(self):
        """The cells that Papermill did not add to mark an error."""
        marked = "papermill-error-cell-tag"
        return [cell for cell in self.notebook["cells"] if marked not in cell["metadata"].get("tags", [])]

    @property
    def states(self):
        return [cell["metadata"]["papermill"]["status"] for cell in self.cells]


class Command:
    """`papermill --engine lepton`, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, *argv, **environment):
        # The same main as the command's, without the seconds that its imports take.
        self.log = self.folder / f"log-{len(self.running)}"
        argv = ["--engine", "lepton", *map(str, argv)]
        env = {**os.environ, **environment}
        # A kernel that sees this variable does not look after what C code prints.
        env.pop("PYTEST_CURRENT_TEST", None)
        self.running.append(kernels.start_bound("papermill", argv, log=self.log, cwd=self.folder, env=env))
        return self.running[-1]

    def __call__(self, source, *options, to="out.ipynb", **environment):
        code = self.start(source, to, *options, **environment).wait(_SECONDS)
        return Said(code, self.log.read_text(), self.folder / to)


@pytest.fixture
def papermill(tmp_path):
    command = Command(tmp_path)
    yield command
    for process in command.running:
        process.close()


@pytest.fixture
def write(tmp_path):
    """Writes a notebook: a cell is its source, or a pair of source and tags."""

    def written(*cells, name="in", kernel="python3", language="python"):
        pairs = [cell if isinstance(cell, tuple) else (cell, []) for cell in cells]
        stale = [{"output_type": "stream", "name": "stdout", "text": "an earlier run's output"}]
        body = [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": ["parameters"] if source.startswith("# parameters") else tags},
                "source": source,
                "outputs": stale,
                "execution_count": 77,
            }
            for number, (source, tags) in enumerate(pairs)
        ]
        spec = {"name": kernel, "display_name": kernel, "language": language}
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body}
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps(notebook))
        return path

    return written
