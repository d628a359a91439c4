"""In which project a pipeline runs that is named from elsewhere, and where its drawing goes."""

import pytest

from lepton_nb import pipelines
from lepton_nb.commands import PlainHost, invoke
from lepton_nb.errors import LeptonError
from lepton_nb.records import Note
from lepton_nb.workspace import current


@pytest.fixture
def projects(notebook, pipeline, tmp_path, monkeypatch):
    """A project with a pipeline, and another to stand in."""
    monkeypatch.delenv("LEPTON_HOME", raising=False)
    (tmp_path / ".git").mkdir()
    (tmp_path / "elsewhere/.lepton").mkdir(parents=True)
    notebook("a", "1")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return pipeline("steps: {a: {notebook: a.ipynb}}")


@pytest.fixture
def said(monkeypatch, fake_executor):
    """Runs a command; gives the notes that it leaves."""
    monkeypatch.setattr("lepton_nb.pipelines.running.runs.LocalExecutor", lambda: fake_executor)

    def run(*words):
        host, events = PlainHost(), []
        host.report = events.append
        invoke(["pipeline", *map(str, words)], host)
        return [event.text for event in events if isinstance(event, Note)]

    return run


def test_a_pipeline_runs_in_the_project_that_holds_it(projects, said, tmp_path, monkeypatch):
    assert said("run", "../pipeline.yml") == [f"the pipeline runs in its own project, {tmp_path}"]
    assert len(list((tmp_path / ".lepton/pipelines").iterdir())) == 1
    assert list((tmp_path / "elsewhere/.lepton").iterdir()) == []
    monkeypatch.chdir(tmp_path)
    assert said("run", "pipeline.yml") == []


def test_a_project_that_the_environment_names_is_the_one(projects, said, tmp_path, monkeypatch):
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / "named/.lepton"))
    (tmp_path / "named").mkdir()
    assert said("run", projects) == []
    assert (tmp_path / "named/.lepton/pipelines").is_dir()


def test_a_starter_makes_the_folder_that_it_was_asked_for_in_a_project(ws, monkeypatch, tmp_path):
    monkeypatch.delenv("LEPTON_HOME", raising=False)
    made = pipelines.new(ws, "mine").pipeline
    assert current(made.parent) == ws
    points = pipelines.plan(pipelines.load(made)).order[0].writes
    assert points == (tmp_path / "notebooks/pipelines/mine/points.csv",)


def test_a_drawing_is_written_where_it_was_asked_for_or_nothing_is(projects, said, tmp_path, monkeypatch):
    out = tmp_path / "graph.svg"
    assert said("graph", projects, "--out", out) == [f"the drawing is in {out}"]
    assert out.read_text() == pipelines.graph(projects).svg()
    monkeypatch.chdir(tmp_path)
    said("run", projects)
    said("graph", "last", "--out", "graph.svg")
    assert "completed" in out.read_text()
    for wrong in (tmp_path / "gone/graph.svg", tmp_path / "graph.png"):
        with pytest.raises(LeptonError, match=r"there is no folder .*gone|expected a name that ends in \.svg"):
            said("graph", projects, "--out", wrong)
        assert not wrong.exists()
