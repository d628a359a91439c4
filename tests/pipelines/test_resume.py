"""A run that was cut short goes on from where it was: with the fake executor."""

import json

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import PipelineError
from lepton_nb.records import Note, Progress

from .conftest import REPORT, cut_at


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
