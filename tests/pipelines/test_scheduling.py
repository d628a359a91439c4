"""Which step may start, and what there is room for."""

import pytest

from lepton_nb.errors import NotFoundError, PipelineError
from lepton_nb.pipelines import load, plan
from lepton_nb.pipelines.planning import Resources
from lepton_nb.pipelines.running.scheduling import Room, ahead, behind, fate, instances, live, restricted, unsaid_needs
from lepton_nb.records import Step

STEPS = """
steps:
  a: {notebook: n.ipynb}
  b: {notebook: n.ipynb, foreach: {x: [1, 2]}, needs: [a]}
  c: {notebook: n.ipynb, cache: false, parameters: {x: "{b.y}"}}
  d: {notebook: n.ipynb, needs: [c]}
  e: {notebook: n.ipynb}
finally: [e]
"""


@pytest.fixture
def todo(notebook, pipeline):
    notebook("n", "# parameters\nx = 0")
    return plan(load(pipeline(STEPS)))


def test_steps_run_side_by_side_as_long_as_they_fit():
    room, one = Room(3, cpus=4, memory_mb=1000, gpus=1), Resources()
    assert room.fits([one, one], one)
    assert not room.fits([one, one, one], one)
    assert not room.fits([Resources(cpus=3.5)], one)
    assert not room.fits([Resources(memory_mb=600)], Resources(memory_mb=600))
    assert not room.fits([Resources(gpus=0.5)], Resources(gpus=0.6))
    assert room.fits([Resources(gpus=0.5)], Resources(gpus=0.5))


def test_a_step_that_asks_for_more_cores_than_there_are_runs_alone():
    room = Room(2, cpus=2)
    assert room.fits([], Resources(cpus=8))
    assert not room.fits([Resources()], Resources(cpus=8))


def test_what_the_machine_does_not_have_is_refused(todo):
    Room(1, 1, 100, 0).check(todo.order)
    with pytest.raises(PipelineError, match="step 'a' asks for 1 GPUs"):
        Room(1, 1, 100, 0).check([type(todo.order[0])("a", todo.order[0].notebook, (), resources=Resources(gpus=1))])


def test_what_stands_ahead_and_behind_is_found_at_any_remove(todo):
    assert ahead(todo, ["d"]) == {"a", "b-1", "b-2", "c"}
    assert behind(todo, ["b-2"]) >= {"b-2", "c", "d"}
    assert [step.name for step in restricted(todo, ["c"]).order] == ["a", "b-1", "b-2", "c"]
    assert live(todo) == {"c", "d", "e"}
    assert instances(todo, "b") == ("b-1", "b-2")
    assert instances(todo, "b-2") == ("b-2",)
    with pytest.raises(NotFoundError, match="no step 'x'"):
        instances(todo, "x")


def test_a_need_that_no_parameter_names_is_told_from_one_that_is_named(todo):
    specs = {step.name: step for step in todo.order}
    assert unsaid_needs(todo, specs["b-1"]) == {"a"}
    assert unsaid_needs(todo, specs["c"]) == set()
    assert unsaid_needs(todo, specs["d"]) == {"c"}


@pytest.mark.parametrize(
    ("status", "expected", "last"),
    [
        ("completed", "go", "go"),
        ("running", "wait", "wait"),
        ("waiting", "wait", "wait"),
        ("skipped", "skip", "go"),
        ("failed", "skip", "go"),
        ("kernel_died", "skip", "go"),
    ],
)
def test_a_step_goes_when_what_it_needs_completed_and_the_last_ones_when_it_ended(
    todo, tmp_path, status, expected, last
):
    specs = {step.name: step for step in todo.order}
    steps = {name: Step(name, "completed", tmp_path, {}, {}) for name in specs}
    steps["c"] = Step("c", status, tmp_path, {}, {})
    assert fate(specs["d"], todo.needs["d"], steps)[0] == expected
    assert fate(specs["e"], todo.needs["e"], steps)[0] == last
