"""A pipeline to start from: small, of every part that a person soon needs, and running as it is."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

from ..errors import ConflictError, UsageError
from ..records import Starter
from ..workspace import Workspace, check_name, write_atomic
from .planning import SCHEMA

__all__ = ["new"]

_FOLDER = Path("notebooks/pipelines")

_PIPELINE = """\
# yaml-language-server: $schema={schema}
# Fits a curve of several degrees to noisy points, keeps the best, and draws it if it is good enough.
# Run it with: {command}
name: {name}

parameters:                     # -p points=500 gives another value
  points: 200
  seed: 0
  limit: 0.12

steps:
  make:
    notebook: {name}/make.ipynb
    # Files are named from the folder of the project, which is where notebooks work.
    writes: {path}
    parameters:
      path: {path}
      points: "{{points}}"
      seed: "{{seed}}"

  fit:                          # once for each degree: fit-1, fit-2, fit-3
    notebook: {name}/fit.ipynb
    inputs: {path}
    parameters: {{path: {path}}}
    foreach: {{degree: [1, 5, 9]}}

  choose:                       # what `fit` reported comes as lists, in the order of the degrees
    notebook: {name}/choose.ipynb
    parameters:
      degrees: "{{fit.degree}}"
      errors: "{{fit.error}}"

  draw:                         # skipped when even the best curve is no good
    notebook: {name}/fit.ipynb
    when: choose.error <= limit
    inputs: {path}
    parameters:
      path: {path}
      degree: "{{choose.degree}}"
      draw: true
"""

# Each notebook: its title, then its cells; the first is tagged `parameters`.
_NOTEBOOKS = {
    "make": (
        "# Make\n\nNoisy points of a curve, as a file.",
        "path = 'points.csv'\npoints = 200\nseed = 0",
        (
            "import numpy as np\n\n"
            "rng = np.random.default_rng(seed)\n"
            "x = np.sort(rng.uniform(-1, 1, points))\n"
            "y = np.sin(4 * x) + rng.normal(0, 0.1, points)\n"
            "np.savetxt(path, np.column_stack([x, y]), delimiter=',', header='x,y', comments='')"
        ),
        "%load_ext lepton_nb\n%lepton output points={len(x)}",
    ),
    "fit": (
        "# Fit\n\nA polynomial through every second point, measured at the others.",
        "path = 'points.csv'\ndegree = 1\ndraw = False",
        (
            "import numpy as np\n\n"
            "x, y = np.loadtxt(path, delimiter=',', skiprows=1, unpack=True)\n"
            "curve = np.polynomial.Polynomial.fit(x[::2], y[::2], degree)\n"
            "error = float(np.sqrt(np.mean((curve(x[1::2]) - y[1::2]) ** 2)))\n"
            "error"
        ),
        (
            "if draw:\n"
            "    import matplotlib.pyplot as plt\n\n"
            "    plt.scatter(x, y, s=4)\n"
            "    plt.plot(x, curve(x), color='tab:orange')\n"
            "    plt.title(f'degree {degree}, error {error:.3f}')"
        ),
        "%load_ext lepton_nb\n%lepton output degree={degree} error={error}",
    ),
    "choose": (
        "# Choose\n\nThe degree with the smallest error.",
        "degrees = []\nerrors = []",
        "error, degree = min(zip(errors, degrees))\nerror, degree",
        "%load_ext lepton_nb\n%lepton output degree={degree} error={error}",
    ),
}


# What trains a deployed model anew: the same files that `make demo` runs, in the package or the repository around it.
_RETRAIN = ("ingest", "train", "evaluate", "package")


def new(ws: Workspace, name: str, folder: Path | None = None, *, retrain: bool = False) -> Starter:
    """Write a starter pipeline; nothing that is there is changed.

    Args:
        ws: the workspace, whose root is the folder that kernels work in.
        name: of the pipeline, its file and the folder of its notebooks.
        folder: inside of the project (default: `notebooks/pipelines`).
        retrain: one that trains a deployed model of a table anew, for `lepton watch`.

    Raises:
        UsageError: the name is not allowed, or the folder is outside of the project.
        ConflictError: a file or a folder of that name is there.
    """
    check_name(name, "pipeline name")
    root = ws.root.resolve()
    folder = (root / _FOLDER if folder is None else folder).resolve()
    if not folder.is_relative_to(root):
        raise UsageError(f"{folder} is outside of the project", expected=f"a folder inside of {root}")
    file, notebooks, schema = folder / f"{name}.yml", folder / name, folder / SCHEMA.name
    for place in (file, notebooks):
        if place.exists() or place.is_symlink():
            raise ConflictError(f"{place} is there already", hint=f"lepton pipeline new NAME, with another than {name}")
    run = f"lepton pipeline run {shlex.quote(os.path.relpath(file))}"
    command = f"lepton watch DEPLOYMENT --pipeline {shlex.quote(os.path.relpath(file))}" if retrain else run
    path = json.dumps((notebooks.relative_to(root) / "points.csv").as_posix())
    text = _PIPELINE.format(name=name, command=command, path=path, schema=f"./{schema.name}")
    books = {stem: json.dumps(_notebook(*cells), indent=1) + "\n" for stem, cells in _NOTEBOOKS.items()}
    if retrain:
        text, books = _retraining(name)
    # What marks the project: without it, the pipeline's own folder would be taken for one.
    ws.home.mkdir(parents=True, exist_ok=True)
    notebooks.mkdir(parents=True)
    try:
        for stem, content in books.items():
            write_atomic(notebooks / f"{stem}.ipynb", content)
        copied = (schema,) if not schema.exists() else ()
        for one in copied:
            write_atomic(one, SCHEMA.read_text())
        write_atomic(file, text)
    except BaseException:
        shutil.rmtree(notebooks, ignore_errors=True)
        raise
    return Starter(file, (file, *(notebooks / f"{stem}.ipynb" for stem in books), *copied), command)


def _retraining(name: str) -> tuple[str, dict[str, str]]:
    """The pipeline file and the notebooks of a retraining."""
    package = Path(__file__).resolve().parent
    places = (package / "templates", package.parents[1] / "notebooks" / "pipelines")
    source = next(place for place in places if (place / "retrain.yml").is_file())
    text = (source / "retrain.yml").read_text().replace("notebook: ", f"notebook: {name}/")
    books = {stem: (source / f"{stem}.ipynb").read_text() for stem in _RETRAIN}
    return text.replace("name: retrain\n", f"name: {name}\n"), books


def _notebook(title: str, parameters: str, *code: str) -> dict[str, Any]:
    """A notebook of format 4.5."""
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": title}]
    for number, source in enumerate((parameters, *code)):
        tags = {} if number else {"tags": ["parameters"]}
        cell = {"cell_type": "code", "id": f"cell-{number}", "metadata": tags, "source": source}
        cells.append({**cell, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
