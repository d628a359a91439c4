"""What a notebook tells about itself: its parameters, and the live things that it acts on."""

import json
from pathlib import Path

import pytest

from lepton_nb.errors import NotFoundError, PipelineError
from lepton_nb.pipelines.planning import load
from lepton_nb.pipelines.planning.notebook import Source, read_source


@pytest.mark.parametrize(
    ("cells", "live"),
    [
        (["%lepton serve {bento} --port 0"], ("serve",)),
        (["x = 1\n  d = %lepton  monitor {x}"], ("monitor",)),
        (["%%lepton predict\ndata: x"], ("predict",)),
        (["!lepton promote churn"], ("promote",)),
        (["out = !cd .. && lepton rollback churn"], ("rollback",)),
        (["%%bash\nset -e; lepton watch churn"], ("watch",)),
        (["!python -m lepton_nb.cli stop churn"], ("stop",)),
        (["lepton deploy churn"], ("deploy",)),
        (["%lepton {verb} churn"], ("an expression",)),
        (["%lepton $verb churn"], ("an expression",)),
        (["import lepton_nb\nlepton_nb.serve(b)", "lepton_nb.predict(b)"], ("serve", "predict")),
        (["import os, lepton_nb as L", "go = L.serve"], ("serve",)),
        (["from lepton_nb import (\n    train,\n    monitor as m,\n)"], ("monitor",)),
        (["%load_ext lepton_nb", "%lepton train cnn", "%lepton output serve=1", "%lepton data load serve"], ()),
        (["# %lepton serve\n  # lepton_nb.serve(x)", "model.predict(x)", "lepton_nb.serving", "serve = 1"], ()),
        (["import lepton_nb as nb", "stub.serve()", "from lepton_nb import train"], ()),
    ],
)
def test_the_verbs_that_act_on_live_things_are_found_however_they_are_called(cells, live, notebook):
    assert read_source(notebook("n", *cells)).live == live


def test_a_step_that_acts_on_live_things_is_not_cached_unless_the_file_says_so(notebook, pipeline):
    notebook("serving", "%lepton serve x")
    notebook("training", "%lepton train cnn")
    text = """
steps:
  a: {notebook: serving.ipynb}
  b: {notebook: serving.ipynb, cache: true}
  c: {notebook: training.ipynb}
  d: {notebook: training.ipynb, cache: false}
"""
    steps = load(pipeline(text)).steps
    assert [step.cache for step in steps] == [False, True, True, False]
    assert [step.live for step in steps] == [("serve",), ("serve",), (), ()]


def test_the_quickstart_caches_all_but_what_serves():
    file = Path(__file__).parents[3] / "notebooks/pipelines/quickstart.yml"
    steps = {step.name: step for step in load(file).steps}
    assert steps["train-digits"].cache
    assert steps["monitor-digits"].live == ("serve", "monitor", "stop")


def test_a_notebook_is_read_again_after_a_change_and_only_its_code_counts(notebook):
    path = notebook("n", "# parameters\nx = 1", "y = 2")
    assert read_source(path).declared == ("x",)
    body = json.loads(path.read_text())
    text = {"cell_type": "markdown", "metadata": {"tags": ["parameters"]}, "source": ["z = 1\n", "%lepton serve x"]}
    body["cells"] = [text, {**body["cells"][0], "source": ["x = 1\n", "w = 1"]}]
    path.write_text(json.dumps(body))
    assert read_source(path) == Source(("x", "w"), ())


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"metadata": {}, "cells": [1]}',
        "\xff",
        "[" * 100_000,
        '{"metadata": {}, "cells": [{"cell_type": "code", "source": 1}]}',
    ],
)
def test_what_is_no_notebook_is_refused_by_name(text, tmp_path):
    (tmp_path / "n.ipynb").write_text(text, encoding="latin-1")
    with pytest.raises(PipelineError, match=r"n\.ipynb is no notebook"):
        read_source(tmp_path / "n.ipynb")
    with pytest.raises(NotFoundError, match=r"no notebook .*gone"):
        read_source(tmp_path / "gone.ipynb")
