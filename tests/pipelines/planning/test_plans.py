"""What a pipeline file may say, and every fault that is found before anything runs or is written."""

import pickle

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import LeptonError, NotFoundError, PipelineError, UsageError
from lepton_nb.pipelines.engine.parameters import declared


@pytest.fixture
def steps(notebook):
    notebook("a", "# parameters\nn = 1", "n")
    notebook("b", "# parameters\nx = None\nrate: float = 0.1\ntitle = ''", "x")


FULL = """
name: demo
parameters: {rate: 0.5, title: run}
steps:
  second:
    notebook: b.ipynb
    parameters: {x: "{first.size}", rate: "{rate}", title: "{title} of {first.name}"}
    timeout: 90
  first: {notebook: a.ipynb, cache: false}
  third: {notebook: a.ipynb, needs: second}
"""


def test_a_file_becomes_steps_with_their_notebooks_and_what_these_declare(steps, pipeline, tmp_path):
    loaded = pipelines.load(pipeline(FULL))
    assert (loaded.name, loaded.parameters) == ("demo", {"rate": 0.5, "title": "run"})
    second, first, _ = loaded.steps
    assert second.notebook == tmp_path / "b.ipynb"
    assert second.declared == ("x", "rate", "title")
    assert (second.timeout, second.cache, first.cache) == (90.0, True, False)


def test_references_and_needs_give_the_order(steps, pipeline):
    todo = pipelines.plan(pipelines.load(pipeline(FULL)), {"rate": 0.1})
    assert [step.name for step in todo.order] == ["first", "second", "third"]
    assert todo.needs == {"first": (), "second": ("first",), "third": ("second",)}
    assert todo.parameters == {"rate": 0.1, "title": "run"}


def test_steps_that_do_not_depend_on_each_other_keep_the_order_of_the_file(steps, pipeline):
    text = "steps:\n" + "".join(f"  s{n}: {{notebook: a.ipynb}}\n" for n in (5, 1, 4, 2))
    todo = pipelines.plan(pipelines.load(pipeline(text)))
    assert [step.name for step in todo.order] == ["s5", "s1", "s4", "s2"]
    assert todo.pipeline.name == "pipeline"


def test_an_unquoted_reference_which_yaml_takes_for_a_mapping_is_one_too(steps, pipeline):
    text = "steps:\n  a: {notebook: a.ipynb}\n  b: {notebook: b.ipynb, parameters: {x: {a.size}}}\n"
    assert pipelines.plan(pipelines.load(pipeline(text))).needs["b"] == ("a",)


def test_magics_in_a_parameters_cell_are_passed_over(notebook, pipeline):
    notebook("m", "# parameters\n%load_ext lepton_nb\nk = 1\n!ls", "k")
    assert pipelines.load(pipeline("steps: {m: {notebook: m.ipynb}}")).steps[0].declared == ("k",)


def test_whatever_a_parameters_cell_binds_is_declared_to_the_plan_as_to_the_engine(notebook, pipeline):
    cell = "# parameters\na, (b, *c) = 1, (2, 3)\nd = e = [i for i in 'ab']\nf: int\ndef g():\n    h = 1"
    notebook("m", cell, "a")
    text = "steps: {m: {notebook: m.ipynb, parameters: {b: 5, f: 1}}}"
    names = pipelines.plan(pipelines.load(pipeline(text))).order[0].declared
    assert names == ("a", "b", "c", "d", "e", "f")
    assert declared(cell) == set(names)


A = "a: {notebook: a.ipynb}"
FAULTS = {
    "a cycle": ("steps:\n  p: {notebook: a.ipynb, needs: [q]}\n  q: {notebook: a.ipynb, needs: [p]}", "cycle: p -> q"),
    "a step that waits for itself": ("steps: {p: {notebook: a.ipynb, needs: [p]}}", "cycle: p -> p"),
    "a cycle by references": (
        "steps:\n  p: {notebook: a.ipynb, parameters: {n: '{q.x}'}}\n  q: {notebook: a.ipynb, needs: [p]}",
        "has a cycle",
    ),
    "a duplicate step": (f"steps:\n  {A}\n  {A}", "'a' stands twice, in lines 2 and 3"),
    "a missing notebook": ("steps: {p: {notebook: gone.ipynb}}", "gone.ipynb"),
    "an unknown need": ("steps:\n  train: {notebook: a.ipynb}\n  b: {notebook: a.ipynb, needs: [trian]}", "'train'?"),
    "a reference to no step": ("steps: {p: {notebook: a.ipynb, parameters: {n: '{nope.x}'}}}", "'nope' is no step"),
    "a reference to no parameter": (
        "parameters: {rate: 1}\nsteps: {p: {notebook: a.ipynb, parameters: {n: '{rat}'}}}",
        "did you mean 'rate'?",
    ),
    "a stray brace": ("steps: {p: {notebook: a.ipynb, parameters: {n: 'a } b'}}}", "write {{ and }}"),
    "a parameter the notebook does not declare": (
        "steps: {p: {notebook: a.ipynb, parameters: {m: 1}}}",
        "sets 'm', which a.ipynb does not declare; expected n",
    ),
    "a parameter of a notebook without any": (
        "steps: {p: {notebook: bare.ipynb, parameters: {m: 1}}}",
        "a cell tagged 'parameters'",
    ),
    "an unknown key of a step": ("steps: {p: {notebok: a.ipynb}}", "did you mean 'notebook'?"),
    "an unknown key of the file": (f"stages: 1\nsteps: {{{A}}}", "unknown key 'stages'"),
    "no steps": ("steps: {}", "has no steps"),
    "a list of steps": ("steps: [a, b]", "is not a mapping"),
    "an empty file": ("", "is not a mapping"),
    "no notebook": ("steps: {p: {needs: []}}", "has no notebook"),
    "a name that leaves the folder": ("steps: {../x: {notebook: a.ipynb}}", "'../x' is not allowed"),
    "a pipeline name that leaves the folder": (f"name: ../x\nsteps: {{{A}}}", "'../x' is not allowed"),
    "a dot in a step's name": ("steps: {a.b: {notebook: a.ipynb}}", "no dot"),
    "the name of the run's own record": ("steps: {run: {notebook: a.ipynb}}", "not 'run'"),
    "a number for a name": ("steps: {1: {notebook: a.ipynb}}", "put it in quotes"),
    "a timeout of nothing": ("steps: {p: {notebook: a.ipynb, timeout: 0}}", "more than 0"),
    "a cache that is no truth value": ("steps: {p: {notebook: a.ipynb, cache: no}}", "expected true or false"),
    "needs that are no names": ("steps: {p: {notebook: a.ipynb, needs: {b: 1}}}", "a list of step names"),
    "a file that is no notebook": ("steps: {p: {notebook: text.ipynb}}", "text.ipynb is no notebook"),
    "a notebook of another language": ("steps: {p: {notebook: r.ipynb}}", "written in R"),
    "a parameters cell that does not parse": ("steps: {p: {notebook: torn.ipynb}}", "does not parse"),
}


@pytest.mark.parametrize(("text", "says"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_gives_one_line_and_leaves_nothing_behind(text, says, steps, notebook, pipeline, ws, tmp_path):
    notebook("bare", "1")
    notebook("r", "1", language="R")
    notebook("torn", "# parameters\nn = (")
    (tmp_path / "text.ipynb").write_text("plain text")
    with pytest.raises((PipelineError, NotFoundError, UsageError)) as caught:
        pipelines.run(ws, pipeline(text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not ws.home.exists()


def test_a_parameter_that_the_pipeline_does_not_have_is_refused(steps, pipeline, ws):
    with pytest.raises(UsageError, match=r"no parameter 'rat'.*did you mean 'rate'\?"):
        pipelines.run(ws, pipeline(FULL), {"rat": 1})
    assert not ws.home.exists()


@pytest.mark.parametrize("jobs", [0, -1])
def test_at_least_one_step_may_run_at_once(jobs, steps, pipeline, ws):
    with pytest.raises(UsageError, match="1 or more"):
        pipelines.run(ws, pipeline(FULL), jobs=jobs)
    assert not ws.home.exists()


def test_the_graph_stands_in_layers_and_is_drawn_without_implied_lines(steps, pipeline):
    text = FULL + "  fourth: {notebook: a.ipynb, needs: [first, third]}\n"
    drawn = pipelines.graph(pipeline(text))
    assert drawn.layers == (("first",), ("second",), ("third",), ("fourth",))
    assert drawn.needs["fourth"] == ("first", "third")
    bundle = drawn._repr_mimebundle_()
    assert bundle["image/svg+xml"].count("<rect") == 4
    assert bundle["image/svg+xml"].count("marker-end") == 3, "that first precedes fourth is plain from the others"
    assert "fourth" in bundle["text/plain"]
    assert drawn.to_json()["layers"][0] == ["first"]


def test_every_fault_survives_a_pickle():
    error = PipelineError("step 'a' failed", hint="mend it")
    assert isinstance(pickle.loads(pickle.dumps(error)), LeptonError)
