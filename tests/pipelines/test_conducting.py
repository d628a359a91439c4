"""How steps are conducted, tried again, skipped and told of: with the fake executor."""

import json

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import PipelineError
from lepton_nb.records import Drawing, Note

from .conftest import REPORT


def test_a_step_is_tried_again_as_often_as_it_may_and_its_attempts_are_kept(line, ws, fake_executor, pipeline, times):
    path = pipeline(line.read_text().replace("middle: {", "middle: {retries: 2, "))
    events = []
    done = pipelines.run(ws, path, {"fail": "once"}, report=events.append, executor=fake_executor)
    middle = done.steps[1]
    assert (middle.status, middle.attempts, times()["middle"]) == ("completed", 2, 2)
    assert json.loads((done.path / "middle.attempt-1.ipynb").read_text())["cells"]
    assert any(
        event.text == "step 'middle' is tried again: RuntimeError: no" for event in events if isinstance(event, Note)
    )
    assert "run 2 times" in done.as_text()


def test_a_step_that_fails_every_time_fails(notebook, pipeline, ws, fake_executor):
    notebook("bad", "1/0")
    with pytest.raises(PipelineError, match="ZeroDivisionError"):
        pipelines.run(ws, pipeline("steps:\n  bad: {notebook: bad.ipynb, retries: 2}\n"), executor=fake_executor)
    assert pipelines.status(ws).steps[0].attempts == 3


def test_a_step_whose_condition_does_not_hold_is_skipped_with_all_that_needs_it(notebook, pipeline, ws, fake_executor):
    notebook("score", REPORT + "record_output('accuracy', 0.5)")
    notebook("any", "1")
    text = """
steps:
  score: {notebook: score.ipynb}
  promote: {notebook: any.ipynb, when: "score.accuracy > 0.9"}
  tell: {notebook: any.ipynb, needs: [promote]}
  mend: {notebook: any.ipynb, when: "score.accuracy <= 0.9"}
"""
    done = pipelines.run(ws, pipeline(text), executor=fake_executor)
    assert done.status == "completed"
    assert [step.status for step in done.steps] == ["completed", "skipped", "skipped", "completed"]
    assert done.steps[1].note == "its condition does not hold: score.accuracy > 0.9"
    assert done.steps[2].note == "step 'promote', which it needs, was skipped"


def test_the_last_steps_run_however_the_others_ended(line, ws, fake_executor, notebook, times):
    notebook("live", "1/0")
    with pytest.raises(PipelineError):
        pipelines.run(ws, line, executor=fake_executor)
    assert times() == {"tidy": 1}
    assert [step.status for step in pipelines.status(ws).steps] == ["failed", "skipped", "skipped", "completed"]


def test_each_point_of_a_grid_is_a_step_and_a_list_to_those_behind(notebook, pipeline, ws, fake_executor):
    notebook("fit", "# parameters\nlr = 0", REPORT + "record_output('loss', lr * 2)")
    notebook("best", "# parameters\nlosses = []", REPORT + "record_output('least', min(losses))")
    text = """
steps:
  fit: {notebook: fit.ipynb, foreach: {lr: [3, 1, 2]}}
  best: {notebook: best.ipynb, parameters: {losses: "{fit.loss}"}}
"""
    done = pipelines.run(ws, pipeline(text), executor=fake_executor)
    assert [step.name for step in done.steps] == ["fit-1", "fit-2", "fit-3", "best"]
    assert done.steps[-1].parameters == {"losses": [6, 2, 4]}
    pipelines.run(ws, pipeline(text.replace("[3, 1, 2]", "[3, 1, 5]")), executor=fake_executor)
    assert fake_executor.started[4:] == ["fit-3", "best"]


@pytest.mark.parametrize("asked", ["memory: 900TB", "gpus: 99"])
def test_a_step_that_asks_for_more_than_the_machine_has_is_refused_before_the_run(notebook, pipeline, ws, asked):
    notebook("big", "1")
    with pytest.raises(PipelineError, match=r"step 'big' asks for .*at most .*this machine has.*--on ray"):
        pipelines.run(ws, pipeline(f"steps:\n  big: {{notebook: big.ipynb, resources: {{{asked}}}}}\n"))
    assert not ws.pipelines.exists()


def test_the_graph_is_drawn_with_how_each_step_stands(line, ws, fake_executor):
    events = []
    pipelines.run(ws, line, report=events.append, executor=fake_executor)
    pictures = [event for event in events if isinstance(event, Drawing)]
    assert pictures[0].text == "pipeline pipeline: 4 waiting"
    assert pictures[-1].text == "pipeline pipeline: 4 completed"
    assert pictures[-1].svg.count("\u2713 completed") == 4 + 1
    graph = pipelines.status(ws).graph()
    assert graph.svg() == pictures[-1].svg
    assert pipelines.follow(ws, "last").graph() == graph


def test_the_page_about_a_run_escapes_all_and_links_its_notebooks(notebook, pipeline, ws, fake_executor):
    notebook(
        "evil",
        "# parameters\ntext = ''",
        REPORT + "record_output('out', '<b>&amp;')\nraise RuntimeError('<script>x</script>')",
    )
    text = "steps:\n  evil: {notebook: evil.ipynb, parameters: {text: '<img src=//e.org/x>'}}\n"
    with pytest.raises(PipelineError):
        pipelines.run(ws, pipeline(text), executor=fake_executor)
    done = pipelines.status(ws)
    page = done.report.read_text()
    assert done.report == done.path / "report.html"
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;x" in page
    assert "href='evil.ipynb'" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert str(done.report) in done.as_text()


def test_what_is_said_of_a_step_survives_being_written(line, ws, fake_executor):
    done = pipelines.run(ws, line, executor=fake_executor)
    assert pipelines.status(ws) == done
