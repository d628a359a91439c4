"""A starter pipeline: it runs as it was written, and writes over nothing."""

import json

import jsonschema
import pytest

from lepton_nb import pipelines
from lepton_nb.errors import ConflictError, UsageError
from lepton_nb.pipelines.planning import SCHEMA, load, plan, read_yaml


def test_a_starter_runs_as_it_is(ws, tmp_path):
    (tmp_path / ".lepton").mkdir()
    done = pipelines.run(ws, pipelines.new(ws, "mine").pipeline)
    outputs = {step.name: step.outputs for step in done.steps}
    assert [step.status for step in done.steps] == 6 * ["completed"]
    assert [outputs[f"fit-{number}"]["degree"] for number in (1, 2, 3)] == [1, 5, 9]
    assert (
        outputs["draw"]["error"] == outputs["choose"]["error"] == min(outputs[f"fit-{n}"]["error"] for n in (1, 2, 3))
    )
    assert "image/png" in next(step for step in done.steps if step.name == "draw").notebook.read_text()


def test_a_starter_shows_each_part_of_a_pipeline(ws, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = pipelines.new(ws, "mine")
    folder = tmp_path / "notebooks/pipelines"
    assert str(made) == str(folder / "mine.yml")
    assert made.command == "lepton pipeline run notebooks/pipelines/mine.yml"
    assert made.command in made.as_text()
    assert {path.name for path in made.files} == {
        *("mine.yml", "make.ipynb", "fit.ipynb", "choose.ipynb", "pipeline.schema.json")
    }
    assert "schema=./pipeline.schema.json\n" in made.pipeline.read_text()
    assert (folder / "pipeline.schema.json").read_bytes() == SCHEMA.read_bytes()
    jsonschema.validate(read_yaml(made.pipeline), json.loads(SCHEMA.read_text()))
    todo = plan(load(made.pipeline))
    assert [step.name for step in todo.order] == ["make", "fit-1", "fit-2", "fit-3", "choose", "draw"]
    assert todo.needs["fit-1"] == ("make",)
    assert all(step.cache for step in todo.order)


def test_a_retraining_is_the_one_that_the_project_itself_runs(ws, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = pipelines.new(ws, "again", retrain=True)
    assert made.command == "lepton watch DEPLOYMENT --pipeline notebooks/pipelines/again.yml"
    spec = load(made.pipeline)
    assert spec.name == "again"
    assert {"data", "target", "name", "seed"} <= spec.parameters.keys()
    todo = plan(spec, {"data": "rows.parquet"})
    assert [step.name for step in todo.order] == ["load", "train", "evaluate", "package"]
    assert todo.order[0].notebook == tmp_path / "notebooks/pipelines/again/ingest.ipynb"
    assert {path.name for path in made.files if path.suffix == ".ipynb"} == {
        *("ingest.ipynb", "train.ipynb", "evaluate.ipynb", "package.ipynb")
    }


def test_a_starter_never_writes_over_what_is_there(ws, tmp_path):
    pipelines.new(ws, "one")
    folder = tmp_path / "notebooks/pipelines"
    (folder / "pipeline.schema.json").write_text("mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConflictError, match=r"one\.yml is there already"):
        pipelines.new(ws, "one")
    (folder / "two").mkdir()
    with pytest.raises(ConflictError, match="two is there already"):
        pipelines.new(ws, "two")
    made = pipelines.new(ws, "three", folder)
    assert "pipeline.schema.json" not in {path.name for path in made.files}
    assert {path: path.read_bytes() for path in before} == before
    assert not list((folder / "two").iterdir())


@pytest.mark.parametrize(("name", "folder"), [("../x", None), ("X", None), ("x", "..")])
def test_a_starter_stays_in_the_project(name, folder, ws, tmp_path):
    with pytest.raises(UsageError):
        pipelines.new(ws, name, folder and tmp_path / folder)
    assert not list(tmp_path.iterdir())
