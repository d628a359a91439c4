"""The published schema and the reader of pipeline files say the same."""

import json
from pathlib import Path

import jsonschema
import pytest

from lepton_nb.errors import LeptonError, PipelineError
from lepton_nb.pipelines.planning import load, plan, read_yaml, schema

ROOT = Path(__file__).parents[3]
BODY = json.loads(schema.SCHEMA.read_text())
STEP = BODY["$defs"]["step"]["properties"]
VALID = jsonschema.Draft202012Validator(BODY)
# Each as a file may hold it; some are right for one key and wrong for another.
VALUES = [
    *("null", "true", "false", "0", "1", "-1", "2.5", "-0.5", "1e13", "1e-9", "''", "' '", "text", "b", "[]", "{}"),
    *("[b]", "[b, c]", "['']", "[1]", "[null]", "{n: 1}", "{n: [1]}", "{n: []}", "{n: {a: 1}}", "{n: '{many}'}"),
    *("{n: {many}}", "{n: '{b.x}'}", "{n: {b.x}}", "{n: null}", "{1: 2}", "{'a b': [1]}", "{many}", "{b.x}", "'{n'"),
    *("1 < 2", "'{b.x} > 1'", "{cpus: 1}", "{cpus: 0}", "{cpus: 0.5, gpus: 0}", "{gpus: -1}", "{gpus: null}"),
    *("{memory: 2GB}", "{memory: 1.5 gib}", "{memory: 2}", "{memory: 2G}", "{memory: 0MB}", "{memory: null}"),
    *("{memory: 1e3MB}", "{cores: 1}", "[{many}]", "[{b.x}]", "[{a: 1}]", "some/file.csv", "[some/file.csv]"),
]


@pytest.fixture
def agree(notebook, pipeline, tmp_path):
    for name in "abc":
        notebook(name, "# parameters\nn = many = cpus = gpus = memory = cores = 0", "n")
    for name in ("b", "text", "some/file.csv", "1 < 2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def compare(text):
        file = pipeline(text)
        try:
            plan(load(file))
        except LeptonError as error:
            refusal = str(error)
        else:
            refusal = ""
        found = next(VALID.iter_errors(read_yaml(file)), None)
        assert bool(refusal) == bool(found), (text, refusal, found and found.message)
        return bool(refusal)

    return compare


OTHERS = "parameters: {many: [1, 2]}\nsteps:\n  b: {notebook: b.ipynb}\n  c: {notebook: c.ipynb}\n"
# What only the notebooks, the names of steps, the disk, or a look into text and numbers can tell.
TEXTS = {"text", "' '", "1 < 2", "'{n'", "'{b.x} > 1'", "some/file.csv", "[some/file.csv]"}
BEYOND = {
    "notebook": TEXTS | {"b"},
    "needs": TEXTS,
    "parameters": {"{1: 2}", "{n: '{b.x}'}"},
    "when": {"text", "b", "' '", "'{n'", "some/file.csv", "{n: null}", "{gpus: null}", "{memory: null}"},
    "inputs": TEXTS | {"[b, c]", "{many}", "[{many}]", "{n: null}", "{gpus: null}", "{memory: null}"},
    "writes": {"' '", "'{n'", "'{b.x} > 1'", "{n: null}", "{gpus: null}", "{memory: null}"},
    "retries": {"1e13"},
    "finally": TEXTS,
}


@pytest.mark.parametrize("key", STEP)
def test_each_value_of_a_step_is_taken_or_refused_by_both(key, agree):
    start = "" if key == "notebook" else "notebook: a.ipynb, "
    told = {
        text: agree(f"{OTHERS}  a: {{{start}{key}: {text}}}\n") for text in VALUES if text not in BEYOND.get(key, ())
    }
    assert any(told.values())
    assert key == "notebook" or not all(told.values())


@pytest.mark.parametrize("key", BODY["properties"])
def test_each_value_of_the_file_is_taken_or_refused_by_both(key, agree):
    rest = "" if key == "steps" else "steps: {b: {notebook: b.ipynb}, c: {notebook: c.ipynb}}\n"
    told = [agree(f"{rest}{key}: {text}\n") for text in VALUES if text not in BEYOND.get(key, ())]
    assert any(told)
    assert key == "steps" or not all(told)


BAD_FILES = {
    "an unknown key": "stages: 1\nsteps: {a: {notebook: a.ipynb}}",
    "an unknown key of a step": "steps: {a: {notebok: a.ipynb}}",
    "no notebook": "steps: {a: {needs: []}}",
    "an empty file": "",
    "no steps": "name: x",
    "a list": "[1]",
    "the name of the run's record": "steps: {run: {notebook: a.ipynb}}",
    "a dot in a step's name": "steps: {a.b: {notebook: a.ipynb}}",
    "a step's name that leaves the folder": "steps: {../a: {notebook: a.ipynb}}",
    "a capital in a step's name": "steps: {Train: {notebook: a.ipynb}}",
    "a pipeline's name that leaves the folder": "name: ../a\nsteps: {a: {notebook: a.ipynb}}",
    "a number for a name": "name: 3\nsteps: {a: {notebook: a.ipynb}}",
    "a step that is a text": "steps: {a: a.ipynb}",
    "a parameter that is no name": "parameters: {1a: 2}\nsteps: {a: {notebook: a.ipynb}}",
    "a parameter with a dash": "steps: {a: {notebook: a.ipynb, parameters: {a-b: 1}}}",
    "a grid with a dash": "steps: {a: {notebook: a.ipynb, foreach: {a-b: [1]}}}",
}


@pytest.mark.parametrize("text", BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_wrong_whatever_the_notebooks_are_is_refused_by_both(text, agree):
    assert agree(text)


def test_the_schema_knows_each_key_and_no_other():
    assert set(BODY["properties"]) == set(schema._TOP)
    assert set(STEP) == set(schema._STEP)
    assert all(value.get("title") for value in (*BODY["properties"].values(), *STEP.values()))


def test_the_schema_is_one_and_its_examples_keep_it():
    jsonschema.Draft202012Validator.check_schema(BODY)
    for one in (*BODY["properties"].values(), *STEP.values()):
        for example in one.get("examples", ()):
            jsonschema.Draft202012Validator({**one, "$defs": BODY["$defs"]}).validate(example)


def test_the_pipelines_of_the_project_keep_it():
    files = list((ROOT / "notebooks").rglob("*.yml"))
    assert files
    for file in files:
        VALID.validate(read_yaml(file))


def test_a_refusal_names_file_step_key_what_came_and_what_was_meant(notebook, pipeline):
    notebook("a", "1")
    file = pipeline("steps: {a: {notebook: a.ipynb, resources: {memroy: 2GB}}}")
    with pytest.raises(PipelineError) as caught:
        load(file)
    assert str(caught.value) == (
        f"{file}: step 'a': resources: unknown key 'memroy'; expected cpus, memory, gpus; next: did you mean 'memory'?"
    )
    file.write_text("steps: {a: {notebook: a.ipynb, retries: two}}")
    with pytest.raises(PipelineError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: step 'a': retries; expected a whole number, 0 or more; got 'two'"
