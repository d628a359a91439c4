"""Which step runs when, what is recorded and what is said: with the fake executor, since no kernel matters here."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import AmbiguousError, FormatError, NotFoundError, PipelineError
from lepton_nb.records import Failed, Finished, PipelineRun, Progress, Started, Step
from lepton_nb.workspace import Workspace

REPORT = "from lepton_nb.pipelines import record_output\n"

DIAMOND = """
name: diamond
parameters: {n: 2, fail: ""}
steps:
  top: {notebook: top.ipynb, parameters: {n: "{n}"}}
  left: {notebook: side.ipynb, parameters: {x: "{top.twice}", fail: "{fail}"}}
  right: {notebook: side.ipynb, parameters: {x: "{top.twice}"}, cache: false}
  bottom: {notebook: bottom.ipynb, parameters: {pair: ["{left.y}", "{right.y}"], text: "y={left.y}"}}
"""


@pytest.fixture
def diamond(notebook, pipeline):
    notebook("top", "# parameters\nn = 1", REPORT + "record_output('twice', 2 * n)")
    notebook(
        "side",
        "# parameters\nx = 0\nfail = ''",
        REPORT + "record_output('y', x + 1)\nif fail: raise RuntimeError(fail)",
    )
    notebook("bottom", "# parameters\npair = []\ntext = ''", REPORT + "record_output('sum', sum(pair))")
    return pipeline(DIAMOND)


def test_outputs_flow_along_the_references_with_their_types(diamond, ws, fake_executor):
    done = pipelines.run(ws, diamond, {"n": 5}, executor=fake_executor)
    assert done.status == "completed"
    assert [step.name for step in done.steps] == ["top", "left", "right", "bottom"]
    assert done.steps[-1].parameters == {"pair": [11, 11], "text": "y=11"}
    assert done.steps[-1].outputs == {"sum": 22}
    assert fake_executor.most_at_once == 2


def test_a_relative_workspace_means_the_same_place_in_every_step(diamond, tmp_path, monkeypatch, fake_executor):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path)
    done = pipelines.run(Workspace(Path("inner/.lepton")), diamond, executor=fake_executor)
    assert done.status == "completed"
    assert done.path.is_relative_to(tmp_path / "inner")


def test_no_more_steps_run_at_once_than_jobs_allow(diamond, ws, fake_executor):
    pipelines.run(ws, diamond, jobs=1, executor=fake_executor)
    assert fake_executor.most_at_once == 1


def test_hosts_hear_of_every_step_as_done_of_total(diamond, ws, fake_executor):
    events = []
    pipelines.run(ws, diamond, report=events.append, executor=fake_executor, jobs=1)
    assert isinstance(events[0], Started)
    assert events[0].total == 4
    assert isinstance(events[-1], Finished)
    moves = [(event.done, event.total, event.text) for event in events if isinstance(event, Progress)]
    assert moves[:3] == [(0, 4, "top"), (1, 4, "top"), (1, 4, "left")]
    assert moves[-1] == (4, 4, "bottom")


def test_the_records_lie_beside_the_executed_notebooks_and_say_what_was_done(diamond, ws, fake_executor):
    done = pipelines.run(ws, diamond, executor=fake_executor)
    run = json.loads((done.path / "run.json").read_text())
    assert done.path.parent == ws.pipelines
    assert (run["format"], run["pipeline"], run["status"]) == (1, "diamond", "completed")
    assert run["runner"]["pid"] == os.getpid()
    assert run["parameters"] == {"n": 2, "fail": ""}
    assert run["order"] == ["top", "left", "right", "bottom"]
    left, right = (json.loads((done.path / f"{name}.json").read_text()) for name in ("left", "right"))
    assert (left["format"], left["status"], left["outputs"], left["cache"]) == (1, "completed", {"y": 5}, True)
    assert right["cache"] is False
    assert all(step.notebook.is_file() for step in done.steps)
    assert str(done) == done.id
    assert "bottom" in done.as_text()
    assert done.to_json()["steps"][0]["outputs"] == {"twice": 4}


def test_a_failed_step_skips_what_needs_it_and_lets_the_others_finish(diamond, ws, fake_executor):
    events = []
    with pytest.raises(PipelineError) as caught:
        pipelines.run(ws, diamond, {"fail": "no luck"}, report=events.append, executor=fake_executor)
    done = pipelines.status(ws)
    assert {step.name: step.status for step in done.steps} == {
        "top": "completed",
        "left": "failed",
        "right": "completed",
        "bottom": "skipped",
    }
    left = done.steps[1]
    assert (left.error, left.cell, left.outputs) == ("RuntimeError: no luck", 3, {"y": 5})
    message = str(caught.value)
    assert message.startswith(f"step 'left' failed in cell 3 of {left.notebook}: RuntimeError: no luck; next: mend ")
    assert "side.ipynb" in message
    assert events[-1] == Failed(events[-1].time, "PipelineError", message)


def test_an_output_that_was_not_reported_fails_the_step_that_refers_to_it(notebook, pipeline, ws, fake_executor):
    notebook("a", REPORT + "record_output('size', 1)")
    notebook("b", "# parameters\nx = 0", "x")
    text = "steps:\n  a: {notebook: a.ipynb}\n  b: {notebook: b.ipynb, parameters: {x: '{a.sise}'}}\n"
    with pytest.raises(PipelineError, match=r"which step 'a' did not report; expected one of its outputs \(size\)"):
        pipelines.run(ws, pipeline(text), executor=fake_executor)
    assert fake_executor.started == ["a"]


class Interrupted:
    """An executor whose user presses Ctrl-C."""

    def __init__(self):
        self.stopped = False

    def start(self, job):
        pass

    def wait(self, seconds):
        raise KeyboardInterrupt

    def stop(self):
        self.stopped = True


def test_ctrl_c_ends_what_runs_records_it_and_goes_on_its_way(diamond, ws):
    executor, events = Interrupted(), []
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, diamond, report=events.append, executor=executor)
    done = pipelines.status(ws)
    assert executor.stopped
    assert done.status == "failed"
    assert [(step.status, step.error) for step in done.steps] == [("failed", "interrupted")] + 3 * [("skipped", "")]
    assert events[-1].status == "stopped"


def test_a_run_is_named_by_id_prefix_pipeline_or_last(diamond, ws, fake_executor):
    first = pipelines.run(ws, diamond, executor=fake_executor)
    second = pipelines.run(ws, diamond, executor=fake_executor)
    assert pipelines.status(ws, first.id) == first
    assert pipelines.status(ws).id == pipelines.status(ws, "last").id == pipelines.status(ws, "diamond").id == second.id
    assert pipelines.status(ws, first.id[:-2]).id == first.id
    with pytest.raises(AmbiguousError, match="fits 2 pipeline runs"):
        pipelines.status(ws, "2")
    with pytest.raises(NotFoundError, match=r"no pipeline run '\.\./x'"):
        pipelines.status(ws, "../x")


def test_before_the_first_run_status_says_how_to_start_one(ws):
    with pytest.raises(NotFoundError, match="lepton pipeline run FILE"):
        pipelines.status(ws)


def test_a_record_of_a_newer_version_is_refused(diamond, ws, fake_executor):
    done = pipelines.run(ws, diamond, executor=fake_executor)
    body = json.loads((done.path / "run.json").read_text())
    (done.path / "run.json").write_text(json.dumps({**body, "format": 2}))
    with pytest.raises(FormatError, match="has format 2"):
        pipelines.status(ws)


def test_the_table_of_a_run_shows_what_each_step_reported_on_one_line(tmp_path):
    outputs = {
        "data": "3f" * 32,
        "run": "019a1b2c-3d4e-7000-8000-0123456789ab",
        "bento": "breast_cancer:abcdefghijklmnop",
        "accuracy": 0.987654321,
        "drift": True,
        "note": "two\nlines " + 40 * "x",
        "late": 1,
    }
    step = Step("train", "completed", tmp_path / "train.ipynb", {}, outputs, 1.0)
    idle = Step("after", "skipped", tmp_path / "after.ipynb", {}, {})
    done = PipelineRun("r", "p", "completed", (step, idle), tmp_path, 1.0)
    line, nothing = (row[done.table().columns.index("outputs")] for row in done.table().rows)
    assert line.startswith("data=3f3f3f3f3f3f, run=019a1b2c-3d4, bento=breast_cancer:abcdefghijklmnop, ")
    assert line.endswith(", 4 more")
    assert len(line) < 100
    assert nothing is None
    few = dataclasses.replace(step, outputs={name: outputs[name] for name in ("accuracy", "drift", "note")})
    text = dataclasses.replace(done, steps=(few,)).as_text()
    assert "accuracy=0.9877, drift=yes, note=two lines xxxxxxxxxxxxxxxxxxx..." in text
    assert done.to_json()["steps"][0]["outputs"] == outputs


@pytest.mark.parametrize(
    "content", ['{"format": 1}', "garbage", '{"format": 1, "created": "x", "pipeline": "diamond"}']
)
def test_a_broken_run_hides_no_other_and_is_named_when_asked_for(diamond, ws, fake_executor, content):
    done = pipelines.run(ws, diamond, executor=fake_executor)
    broken = ws.pipelines / "99991231-000000-abcdef"
    broken.mkdir()
    (broken / "run.json").write_text(content)
    assert pipelines.status(ws) == pipelines.status(ws, "diamond") == done
    for ref in (broken.name, "9999"):
        with pytest.raises(FormatError, match=f"{broken.name}.* is not readable") as caught:
            pipelines.status(ws, ref)
        assert "\n" not in str(caught.value)
    with pytest.raises(NotFoundError, match=done.id):
        pipelines.status(ws, "nothing")
    (done.path / "left.json").write_text('{"format": 1}')
    with pytest.raises(FormatError, match=f"{done.id} is not readable"):
        pipelines.status(ws)


def test_a_run_whose_runner_died_lasted_as_long_as_its_steps(diamond, ws, fake_executor):
    done = pipelines.run(ws, diamond, executor=fake_executor)
    for name, changes in (("run", {"status": "running", "ended": None}), ("bottom", {"status": "running"})):
        file = done.path / f"{name}.json"
        body = json.loads(file.read_text()) | changes
        body["runner" if name == "run" else "started"] = {"pid": 1, "started": 1.0} if name == "run" else 0.0
        if name == "run":
            body["created"] = body["began"] = 0.0
        file.write_text(json.dumps(body))
    died = pipelines.status(ws)
    assert (died.status, died.steps[-1].status) == ("failed", "failed")
    assert died.seconds >= died.steps[-1].seconds > 1e9
    assert pipelines.status(ws).seconds == died.seconds
