"""Grids, conditions and the steps of the end: what a plan makes of them, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.errors import PipelineError, UsageError
from lepton_nb.pipelines.planning import Resources, holds, load, plan, values_of
from lepton_nb.pipelines.planning.references import escaped, resolve

GRID = """
parameters: {rates: [0.1, 0.2], limit: 0.5, go: true, many: []}
steps:
  train-all:
    notebook: a.ipynb
    parameters: {text: "{make.name}"}
    foreach: {rate: "{rates}", size: [8, "{limit}"]}
    when: rate < limit and go
    retries: 2
    timeout: 60
    resources: {cpus: 2, memory: 1.5GiB, gpus: 0}
  make: {notebook: a.ipynb}
  choose:
    notebook: a.ipynb
    parameters: {text: "{train-all.loss}"}
    when: "0.3 in {train-all.loss} and make.name != null"
  tell: {notebook: a.ipynb, parameters: {text: "{choose.best} {make.name}"}, when: "choose.best == null or go"}
  clean: {notebook: a.ipynb, needs: tell}
finally: [clean, tell]
"""


@pytest.fixture
def planned(notebook, pipeline):
    notebook("a", "# parameters\nrate = size = 0\ntext = ''", "1")
    return lambda text, **given: plan(load(pipeline(text)), given)


def test_a_grid_becomes_a_step_for_each_of_its_points_in_the_order_of_the_file(planned):
    todo = planned(GRID)
    assert todo.groups["train-all"] == tuple(f"train-all-{n}" for n in (1, 2, 3, 4))
    assert todo.groups["make"] == ("make",)
    steps = {step.name: step for step in todo.order}
    assert [steps[name].point for name in todo.groups["train-all"]] == [
        {"rate": rate, "size": size} for rate in (0.1, 0.2) for size in (8, 0.5)
    ]
    one = steps["train-all-4"]
    assert (one.group, one.foreach, one.retries, one.timeout) == ("train-all", {}, 2, 60.0)
    assert one.parameters == {"text": "{make.name}", "rate": 0.2, "size": 0.5}
    assert one.resources == Resources(2.0, 1536.0, 0.0)
    assert todo.needs["train-all-4"] == ("make",)
    assert todo.needs["choose"] == (*todo.groups["train-all"], "make")


def test_a_list_given_on_the_command_line_makes_the_grid(planned):
    assert len(planned(GRID, rates=[1, 2, 3]).groups["train-all"]) == 6
    with pytest.raises(PipelineError, match=r"'train-all': foreach: rate; expected a list .*; got 3"):
        planned(GRID, rates=3)
    with pytest.raises(PipelineError, match="foreach: rate; expected a list of at least one value"):
        planned(GRID, rates=[])


def test_a_reference_to_a_grid_is_the_list_over_its_points(planned):
    todo = planned(GRID)
    outputs = {name: {"loss": number} for number, name in enumerate(todo.groups["train-all"])} | {"make": {"name": "m"}}
    steps = {step.name: step for step in todo.order}
    assert values_of(todo, steps["choose"], outputs) == {"text": [0, 1, 2, 3]}
    assert values_of(todo, steps["train-all-2"], outputs) == {"text": "m", "rate": 0.1, "size": 0.5}
    assert not holds(todo, steps["choose"], outputs)
    assert holds(todo, steps["choose"], {**outputs, "train-all-2": {"loss": 0.3}})
    with pytest.raises(PipelineError, match=r"'choose' needs \{train-all.loss\}, which step 'train-all-2' did not"):
        values_of(todo, steps["choose"], {**outputs, "train-all-2": {"acc": 1}})
    single = planned("steps: {b: {notebook: a.ipynb, foreach: {rate: [1]}}, c: {notebook: a.ipynb, when: '2 in b.x'}}")
    assert holds(single, single.order[-1], {"b-1": {"x": 2}})


def test_a_condition_sees_the_parameters_as_given_and_its_own_point(planned):
    steps = {step.name: step for step in planned(GRID).order}
    assert holds(planned(GRID), steps["train-all-1"], {})
    assert not holds(planned(GRID, limit=0.1), steps["train-all-1"], {})
    assert not holds(planned(GRID, go=False), steps["train-all-1"], {})
    assert holds(planned(GRID), steps["make"], {})
    with pytest.raises(
        PipelineError, match="`when` of step 'train-all-1': rule 'rate < limit and go', column 18: text"
    ):
        holds(planned(GRID, go="yes"), steps["train-all-1"], {})
    number = planned("parameters: {n: 3}\nsteps: {a: {notebook: a.ipynb, when: n}}")
    with pytest.raises(PipelineError, match="is 3; expected true or false"):
        holds(number, number.order[0], {})
    fixed = planned("steps: {a: {notebook: a.ipynb, when: false}, b: {notebook: a.ipynb, when: {a.ok}}}")
    assert [holds(fixed, step, {"a": {"ok": True}}) for step in fixed.order] == [False, True]


def test_the_steps_of_the_end_wait_for_all_others_and_miss_nothing(planned):
    todo = planned(GRID)
    assert [step.name for step in todo.order][-2:] == ["tell", "clean"]
    assert [step.always for step in todo.order] == 6 * [False] + 2 * [True]
    ordinary = {step.name for step in todo.order if not step.always}
    assert set(todo.needs["tell"]) == ordinary
    assert set(todo.needs["clean"]) == ordinary | {"tell"}
    tell = todo.order[-2]
    assert values_of(todo, tell, {"make": {"name": "m"}}) == {"text": "None m"}
    assert holds(todo, tell, {})


@given(st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_a_value_of_a_grid_arrives_as_it_is_whatever_its_braces(value):
    assert resolve(escaped(value), {}) == value


A = "a: {notebook: a.ipynb}"
FAULTS = {
    "a grid over a name that is not declared": (
        "steps: {p: {notebook: a.ipynb, foreach: {rat: [1]}}}",
        "step 'p' sets 'rat', which a.ipynb does not declare; expected rate, size, text; next: did you mean 'rate'?",
    ),
    "a grid over a name that is set": (
        "steps: {p: {notebook: a.ipynb, parameters: {rate: 1}, foreach: {rate: [1]}}}",
        "sets 'rate' under both parameters and foreach",
    ),
    "an empty grid": ("steps: {p: {notebook: a.ipynb, foreach: {rate: []}}}", "foreach: rate; expected a list of at"),
    "a grid of an output": (
        "steps: {p: {notebook: a.ipynb, foreach: {rate: [1, '{q.x}']}}, q: {notebook: a.ipynb}}",
        "foreach: rate refers to {q.x}; expected no references",
    ),
    "a grid of an unknown parameter": (
        "parameters: {rates: [1]}\nsteps: {p: {notebook: a.ipynb, foreach: {rate: {rate}}}}",
        "refers to {rate}; expected rates; next: did you mean 'rates'?",
    ),
    "a grid without an end": (
        f"steps: {{p: {{notebook: a.ipynb, foreach: {{rate: &r {list(range(101))}, size: *r}}}}}}",
        "expected at most 10000 steps in a pipeline; got 10201",
    ),
    "a point that is called like a step": (
        "steps: {p: {notebook: a.ipynb, foreach: {rate: [1, 2]}}, p-2: {notebook: a.ipynb}}",
        "foreach makes a step 'p-2', and there is one of that name",
    ),
    "a point with too long a name": (
        f"steps: {{{'p' * 62}: {{notebook: a.ipynb, foreach: {{rate: [1]}}}}}}",
        "name of a point of its grid 'ppp",
    ),
    "a condition that is no rule": (
        "steps: {p: {notebook: a.ipynb, when: 1 <}}",
        "step 'p': when: rule '1 <', column 4: it is no rule",
    ),
    "a condition that calls": ("steps: {p: {notebook: a.ipynb, when: psi(x) > 1}}", "'psi' is no function"),
    "a condition on an unknown step": (
        f"steps: {{{A}, p: {{notebook: a.ipynb, when: b.x > 1}}}}",
        "step 'p' refers to {b.x}, and 'b' is no step; expected a, p",
    ),
    "a condition on an unknown name": (
        "parameters: {limit: 1}\nsteps: {p: {notebook: a.ipynb, when: limits > 1}}",
        "did you mean 'limit'?",
    ),
    "a condition on a name with a dash": (
        "steps: {a-b: {notebook: a.ipynb}, p: {notebook: a.ipynb, when: a-b.x > 1}}",
        "next: write {a-b.output} with braces",
    ),
    "a condition on itself": ("steps: {p: {notebook: a.ipynb, when: p.x > 1}}", "has a cycle: p -> p"),
    "a condition too deep into a value": (f"steps: {{{A}, p: {{notebook: a.ipynb, when: a.x.y}}}}", "names 'a.x.y'"),
    "an unknown step at the end": (f"finally: [b]\nsteps: {{{A}}}", "finally names 'b', which is no step; expected a"),
    "a step that waits for the end": (
        f"finally: [a]\nsteps: {{{A}, p: {{notebook: a.ipynb, parameters: {{rate: '{{a.x}}'}}}}}}",
        "step 'p' needs 'a', which stands under `finally`",
    ),
    "a negative count": ("steps: {p: {notebook: a.ipynb, retries: -1}}", "retries; expected a whole number, 0 or more"),
    "memory without a unit": ("steps: {p: {notebook: a.ipynb, resources: {memory: 2}}}", "512MB, 2GB or 1.5GiB; got 2"),
}


@pytest.mark.parametrize(("text", "says"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_is_refused_in_one_line_that_names_it(text, says, planned, tmp_path):
    with pytest.raises((PipelineError, UsageError)) as caught:
        planned(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "pipeline.yml") in str(caught.value)
