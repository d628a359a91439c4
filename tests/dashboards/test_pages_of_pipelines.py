"""The page of pipelines, as the server makes it."""

from __future__ import annotations

import re

import nbformat
import pytest

from lepton_nb.dashboards.desk import Desk
from lepton_nb.dashboards.executed import SANDBOX, executed
from lepton_nb.dashboards.keeper import Keeper
from lepton_nb.dashboards.question import Question
from lepton_nb.errors import NotFoundError
from lepton_nb.workspace import Workspace, write_json

HOSTILE = "<img src=x onerror=alert(1)>&\"'</style><script>"


def _said(html: str, key: str) -> str:
    return re.search(f"data-lepton='{key}'>([^<]*)<", html)[1]


def _ask(ws: Workspace, page: str, query: str = "") -> str:
    Keeper(ws).once()
    return "".join(Desk(ws).answer(Question.parse(page, query)).values())


def _run(ws: Workspace, source: str) -> str:
    """A run of a pipeline of one step, as its records tell it."""
    folder = ws.pipelines / "20260101-000000-000001"
    folder.mkdir(parents=True)
    run = {"id": folder.name, "pipeline": HOSTILE, "file": "p.yml", "status": "completed", "cut": "", "created": 1.0}
    run |= {"began": 1.0, "ended": 3.0, "spent": 0.0, "parameters": {}, "order": ["step"], "needs": {"step": []}}
    write_json(folder / "run.json", run)
    step = {"name": "step", "status": "completed", "notebook": "step.ipynb", "parameters": {}, "attempts": 1}
    step |= {"outputs": {HOSTILE: HOSTILE}, "seconds": 2.0, "peak_memory_mb": 5.0, "error": "", "cell": None, "key": ""}
    write_json(
        folder / "step.json", step | {"cached": False, "note": HOSTILE, "started": 1.0, "written": {}, "cache": True}
    )
    output = nbformat.v4.new_output("display_data", {"text/html": source})
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[output], execution_count=1)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "step.ipynb")
    return folder.name


def test_a_pipeline_is_shown_with_its_steps_and_hostile_names_stay_text(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    run = _run(ws, "fine")
    sections = Desk(ws, served=True).answer(Question.parse("pipelines", f"name={run}"))
    html = "".join(sections.values())
    assert f"href='notebook/{run}/step'" in html
    assert "<svg" in sections["graph"]
    assert not re.search(r"<(img|script)", html)
    assert "href='notebook" not in "".join(Desk(ws).answer(Question.parse("pipelines", "")).values())
    assert "there is no run other" in _ask(ws, "pipelines", "name=other")


def test_an_executed_notebook_is_shown_without_what_runs_in_it(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    run = _run(ws, "<b>kept</b><script>alert(1)</script><img src=x onerror=alert(1)>")
    html = executed(ws, run, "step")
    assert "<b>kept</b>" in html
    assert "<img" not in html
    assert "<script>alert" not in html
    assert SANDBOX.startswith("sandbox;")
    with pytest.raises(NotFoundError):
        executed(ws, run, "../step")
    with pytest.raises(NotFoundError):
        executed(ws, "../../x", "step")
