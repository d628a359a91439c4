"""A run that was cut short goes on from where it was; how runs end otherwise: with the fake executor."""

import json

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import PipelineError
from lepton_nb.records import Drawing, Note, Progress

REPORT = "from lepton_nb.pipelines import record_output\n"

LINE = """
parameters: {fail: ""}
steps:
  live: {notebook: live.ipynb, cache: false}
  middle: {notebook: middle.ipynb, parameters: {x: "{live.x}", fail: "{fail}"}}
  last: {notebook: last.ipynb, needs: [middle]}
finally: [tidy]
"""
TIDY = "  tidy: {notebook: tidy.ipynb}\n"


@pytest.fixture
def line(notebook, pipeline, tmp_path):
    count = "open('count-{}', 'a').write('1')\n"
    notebook("live", REPORT + count.format("live") + "record_output('x', 1)")
    middle = (
        count.format("middle") + "if fail == 'once' and open('count-middle').read() == '1': raise RuntimeError('no')"
    )
    notebook("middle", "# parameters\nx = 0\nfail = ''", middle)
    notebook("last", count.format("last"))
    notebook("tidy", count.format("tidy"))
    return pipeline(LINE.replace("finally", TIDY + "finally"))


@pytest.fixture
def times(tmp_path):
    """How often each step ran."""
    return lambda: {file.name[6:]: len(file.read_text()) for file in tmp_path.glob("count-*")}


def cut_at(executor, name, cause):
    """An executor that does its work until a step ends, and is then interrupted."""
    wait = executor.wait

    def interrupted(seconds):
        result = wait(seconds)
        if result and result.name == name:
            executor.wait = wait
            raise cause
        return result

    executor.wait = interrupted
    return executor


def test_an_interrupted_run_goes_on_and_does_nothing_twice(line, ws, fake_executor, times):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "middle", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    assert [(step.name, step.status) for step in cut.steps] == [
        *(("live", "completed"), ("middle", "failed"), ("last", "skipped"), ("tidy", "completed"))
    ]
    events = []
    done = pipelines.run(ws, line, report=events.append, executor=fake_executor)
    assert (done.id, done.status) == (cut.id, "completed")
    assert times() == {"live": 1, "middle": 2, "last": 1, "tidy": 2}
    assert any("1 of 4 steps are done" in event.text for event in events if isinstance(event, Note))
    assert done.seconds >= cut.seconds
    again = pipelines.run(ws, line, executor=fake_executor)
    assert again.id != done.id
    assert times()["live"] == 2


def test_an_interrupt_says_how_to_go_on(line, ws, fake_executor):
    events = []
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, report=events.append, executor=cut_at(fake_executor, "live", KeyboardInterrupt()))
    assert any("the same command goes on" in event.text for event in events if isinstance(event, Note))


def test_what_an_interrupt_ended_is_counted_before_the_last_steps_begin(line, ws, fake_executor):
    events = []
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, report=events.append, executor=cut_at(fake_executor, "middle", KeyboardInterrupt()))
    moves = [(event.done, event.text) for event in events if isinstance(event, Progress)]
    assert moves[-3:] == [(3, "interrupted"), (3, "tidy"), (4, "tidy")]


def test_a_second_interrupt_ends_the_last_steps_too(line, ws, fake_executor, times):
    executor = cut_at(fake_executor, "live", KeyboardInterrupt())
    stop = executor.stop
    executor.stop = lambda: (stop(), cut_at(executor, "tidy", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=executor)
    assert pipelines.status(ws).steps[-1].status == "failed"
    assert pipelines.status(ws).steps[-1].error == "interrupted"


def test_a_failed_run_goes_on_when_its_notebook_was_mended(line, ws, fake_executor, notebook, times):
    notebook("last", "1/0")
    with pytest.raises(PipelineError, match="step 'last' failed"):
        pipelines.run(ws, line, executor=fake_executor)
    failed = pipelines.status(ws)
    notebook("last", "2")
    done = pipelines.run(ws, line, executor=fake_executor)
    assert (done.id, done.status) == (failed.id, "completed")
    assert times() == {"live": 1, "middle": 1, "tidy": 2}
    assert (done.steps[2].attempts, done.steps[2].error) == (2, "")
    assert (done.path / "last.attempt-1.ipynb").is_file()


def test_other_parameters_are_another_run(line, ws, fake_executor, times):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "middle", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    assert pipelines.run(ws, line, {"fail": "never"}, executor=fake_executor).id != cut.id
    assert times()["live"] == 2
    assert pipelines.run(ws, line, executor=fake_executor).id == cut.id


def test_force_goes_on_with_nothing(line, ws, fake_executor, times):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "middle", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    assert pipelines.run(ws, line, executor=fake_executor, force=True).id != cut.id
    assert times()["live"] == 2


def test_a_forced_run_that_was_cut_short_does_the_rest_anew_too(line, ws, fake_executor, times):
    pipelines.run(ws, line, executor=fake_executor)
    events = []
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(
            ws, line, report=events.append, executor=cut_at(fake_executor, "last", KeyboardInterrupt()), force=True
        )
    assert any("command without --force goes on" in event.text for event in events if isinstance(event, Note))
    pipelines.run(ws, line, executor=fake_executor)
    assert times() == {"live": 2, "middle": 2, "last": 3, "tidy": 3}


def test_from_takes_live_steps_from_the_run_before_when_it_goes_on(line, ws, fake_executor, pipeline, times):
    path = pipeline(line.read_text().replace("  live:", "  side: {notebook: tidy.ipynb, needs: [live]}\n  live:"))
    pipelines.run(ws, path, executor=fake_executor)
    (began,) = ws.pipelines.iterdir()
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, path, executor=cut_at(fake_executor, "middle", KeyboardInterrupt()), start="middle")
    cut = pipelines.status(ws)
    assert cut.path != began
    # As if the kill had come before it was looked at.
    (cut.path / "live.json").unlink()
    assert pipelines.run(ws, path, executor=fake_executor, start="middle").id == cut.id
    assert times()["live"] == 1


def test_from_goes_on_with_what_from_began(line, ws, fake_executor, times):
    pipelines.run(ws, line, executor=fake_executor)
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "last", KeyboardInterrupt()), start="middle")
    cut = pipelines.status(ws)
    assert times() == {"live": 1, "middle": 2, "last": 2, "tidy": 2}
    done = pipelines.run(ws, line, executor=fake_executor, start="middle")
    assert done.id == cut.id
    assert times() == {"live": 1, "middle": 2, "last": 3, "tidy": 3}


def bury(folder, name, **changes):
    """Leave the records as a SIGKILL does while a step runs."""
    for file, more in (
        ("run", {"status": "running", "runner": {"pid": 1, "started": 1.0}, "ended": None}),
        (name, changes),
    ):
        path = folder / f"{file}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_a_step_that_ended_before_its_runner_was_killed_is_not_done_again(line, ws, fake_executor, times):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "live", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    bury(cut.path, "live", status="running", error="")
    (cut.path / "live" / "result.json").write_text('{"format": 1, "status": "completed", "error": "", "cell": null}')
    done = pipelines.run(ws, line, executor=fake_executor)
    assert (done.id, times()["live"]) == (cut.id, 1)
    assert (done.steps[0].status, done.steps[0].outputs) == ("completed", {"x": 1})


def test_a_step_that_had_not_ended_when_its_runner_was_killed_is_done_again(line, ws, fake_executor, times, notebook):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "live", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    bury(cut.path, "live", status="running", error="")
    done = pipelines.run(ws, line, executor=fake_executor)
    assert (done.id, times()["live"]) == (cut.id, 2)


def test_a_result_of_other_code_is_not_taken_for_a_steps(line, ws, fake_executor, times, notebook):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "live", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    bury(cut.path, "live", status="running", error="")
    (cut.path / "live" / "result.json").write_text('{"format": 1, "status": "completed", "error": "", "cell": null}')
    notebook("live", REPORT + "record_output('x', 2)")
    done = pipelines.run(ws, line, executor=fake_executor)
    assert done.steps[0].outputs == {"x": 2}


def test_a_result_stays_that_of_its_code_when_a_run_is_cut_short_again(line, ws, fake_executor, times, notebook):
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=cut_at(fake_executor, "live", KeyboardInterrupt()))
    cut = pipelines.status(ws)
    bury(cut.path, "live", status="running", error="")
    (cut.path / "live" / "result.json").write_text('{"format": 1, "status": "completed", "error": "", "cell": null}')
    notebook("live", REPORT + "record_output('x', 2)")
    start = fake_executor.start

    def interrupted(job):
        fake_executor.start = start
        raise KeyboardInterrupt

    fake_executor.start = interrupted
    with pytest.raises(KeyboardInterrupt):
        pipelines.run(ws, line, executor=fake_executor)
    done = pipelines.run(ws, line, executor=fake_executor)
    assert (done.id, done.steps[0].outputs) == (cut.id, {"x": 2})
    for _ in range(2):
        notebook("last", "1/0")
        with pytest.raises(PipelineError):
            pipelines.run(ws, line, {"fail": "never"}, executor=fake_executor)
    last = pipelines.status(ws)
    assert (last.steps[2].attempts, len(list(last.path.glob("last.attempt-*.ipynb")))) == (2, 1)


def test_a_completed_step_whose_file_went_is_done_again(notebook, pipeline, ws, fake_executor, tmp_path):
    notebook("make", "open('made.txt', 'w').write('1')")
    notebook("bad", "1/0")
    text = "steps:\n  make: {notebook: make.ipynb, cache: false, writes: [made.txt]}\n  bad: {notebook: bad.ipynb}\n"
    for _ in range(2):
        with pytest.raises(PipelineError):
            pipelines.run(ws, pipeline(text), executor=fake_executor)
    assert fake_executor.started.count("make") == 1
    (tmp_path / "made.txt").unlink()
    with pytest.raises(PipelineError):
        pipelines.run(ws, pipeline(text), executor=fake_executor)
    assert fake_executor.started.count("make") == 2
    assert (tmp_path / "made.txt").exists()


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
