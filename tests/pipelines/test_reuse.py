"""What is done again and what is not: with the fake executor, since no kernel matters here."""

import json
import threading
import time

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import NotFoundError, PipelineError, UsageError
from lepton_nb.pipelines.cache import Entry, Store
from lepton_nb.records import Note

REPORT = "from lepton_nb.pipelines import record_output\n"

CHAIN = """
parameters: {n: 1}
steps:
  make: {notebook: make.ipynb, parameters: {n: "{n}"}, inputs: [seed.txt], writes: [made.txt]}
  use: {notebook: use.ipynb, parameters: {x: "{make.x}"}}
  after: {notebook: after.ipynb, needs: [use]}
  other: {notebook: other.ipynb}
"""


@pytest.fixture
def chain(notebook, pipeline, tmp_path):
    (tmp_path / "seed.txt").write_text("seed")
    notebook(
        "make",
        "# parameters\nn = 0",
        REPORT + "record_output('x', n % 10)\nopen('made.txt', 'w').write(open('seed.txt').read()[:4])",
    )
    notebook("use", "# parameters\nx = 0", REPORT + "record_output('y', x + 1)")
    notebook("after", "1")
    notebook("other", "2")
    return pipeline(CHAIN)


@pytest.fixture
def again(ws, fake_executor):
    """Runs a pipeline once more; gives the run and the steps that were started."""

    def run(path, parameters=None, **options):
        fake_executor.started.clear()
        done = pipelines.run(ws, path, parameters, executor=fake_executor, **options)
        return done, list(fake_executor.started)

    return run


def test_folders_are_read_kept_and_put_back(notebook, pipeline, again, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.txt").write_text("1")
    notebook("copy", "import shutil\nshutil.copytree('raw', 'out', dirs_exist_ok=True)")
    notebook("use", REPORT + "record_output('n', open('out/a.txt').read())")
    path = pipeline(
        "steps:\n"
        "  copy: {notebook: copy.ipynb, inputs: raw, writes: out}\n"
        "  use: {notebook: use.ipynb, inputs: out/a.txt}\n"
    )
    assert again(path)[1] == ["copy", "use"]
    (tmp_path / "out/a.txt").unlink()
    assert again(path)[1] == []
    assert (tmp_path / "out/a.txt").read_text() == "1"
    (tmp_path / "raw/a.txt").write_text("2")
    done, started = again(path)
    assert (started, done.steps[1].outputs) == (["copy", "use"], {"n": "2"})
    (tmp_path / "raw/link").symlink_to("/etc/hosts")
    with pytest.raises(PipelineError, match="link that leads outside"):
        again(path)


def test_nothing_that_is_unchanged_runs_again(chain, again, tmp_path):
    first, started = again(chain)
    assert set(started) == {"make", "use", "after", "other"}
    (tmp_path / "made.txt").unlink()
    second, started = again(chain)
    assert started == []
    assert second.id != first.id
    assert {(step.status, step.cached, step.attempts) for step in second.steps} == {("completed", True, 0)}
    assert [step.outputs for step in second.steps] == [step.outputs for step in first.steps]
    assert [step.notebook.read_text() for step in second.steps] == [step.notebook.read_text() for step in first.steps]
    assert (tmp_path / "made.txt").read_text() == "seed"
    assert "cached" in second.as_text()


@pytest.mark.parametrize(
    ("change", "done_anew"),
    [
        (lambda root, note: note("use", "# parameters\nx = 0", "# said otherwise\n1"), ["use", "after"]),
        # What it hands on is the same: nobody behind it has anything to do.
        (lambda root, note: (root / "seed.txt").write_text("seedling"), ["make"]),
        (lambda root, note: (root / "seed.txt").write_text("other"), ["make", "use", "after"]),
        (lambda root, note: note("other", "3"), ["other"]),
    ],
)
def test_what_changed_runs_again_and_what_depends_on_it_does(chain, again, notebook, tmp_path, change, done_anew):
    again(chain)
    change(tmp_path, notebook)
    assert again(chain)[1] == done_anew


def test_a_parameter_of_the_same_look_and_another_type_is_another(chain, again):
    again(chain)
    assert again(chain, {"n": 1})[1] == []
    assert again(chain, {"n": 1.0})[1] == ["make", "use", "after"]
    assert again(chain, {"n": 11})[1] == ["make"]


def test_a_live_step_and_all_behind_it_run_every_time(chain, again, pipeline):
    live = pipeline(CHAIN.replace("use: {", "use: {cache: false, "))
    again(live)
    assert again(live)[1] == ["use", "after"]


def test_a_broken_entry_is_said_put_aside_and_computed_anew(chain, again, ws):
    first, _ = again(chain)
    (ws.home / "cache" / first.steps[0].key / "notebook.ipynb").write_text("{}")
    events = []
    done, started = again(chain, report=events.append)
    assert started == ["make"]
    assert "does not match its hash" in done.steps[0].note
    assert any("the cache entry was broken" in event.text for event in events if isinstance(event, Note))
    assert list((ws.home / "cache").glob(f".broken-{first.steps[0].key}-*"))
    assert again(chain)[1] == []


def test_what_changed_while_the_step_ran_is_not_kept(notebook, pipeline, again, tmp_path):
    (tmp_path / "in.txt").write_text("0")
    notebook("grow", "open('in.txt', 'a').write('1')")
    path = pipeline("steps:\n  grow: {notebook: grow.ipynb, inputs: [in.txt]}\n")
    done, _ = again(path)
    assert done.steps[0].note == "not kept in the cache: what it reads changed while it ran"
    assert again(path)[1] == ["grow"]


def test_a_file_that_was_promised_and_not_made_fails_the_step(notebook, pipeline, ws, fake_executor):
    notebook("lazy", "1")
    path = pipeline("steps:\n  lazy: {notebook: lazy.ipynb, writes: [never.txt]}\n")
    with pytest.raises(PipelineError, match=r"did not make a file that it declares .*never\.txt does not exist"):
        pipelines.run(ws, path, executor=fake_executor)


def test_a_file_that_was_left_as_it_was_is_no_result_of_the_step(notebook, pipeline, again, tmp_path):
    notebook("lazy", "# parameters\nn = 1", "if n == 1:\n    open('made.txt', 'w').write('one')")
    path = pipeline(
        'parameters: {n: 1}\nsteps:\n  lazy: {notebook: lazy.ipynb, parameters: {n: "{n}"}, writes: [made.txt]}\n'
    )
    again(path)
    with pytest.raises(PipelineError, match=r"did not make .*made\.txt is as it was before the step"):
        again(path, {"n": 2})
    assert (tmp_path / "made.txt").read_text() == "one"
    assert again(path, force=True)[1] == ["lazy"]


def test_two_steps_of_the_same_content_are_computed_once(notebook, pipeline, again):
    notebook("same", "1")
    path = pipeline("steps:\n  a: {notebook: same.ipynb}\n  b: {notebook: same.ipynb}\n")
    done, started = again(path)
    assert started == ["a"]
    assert (done.steps[1].cached, done.steps[1].note) == (True, "computed for step 'a'")


def test_force_does_everything_anew_and_its_results_count_from_then_on(chain, again):
    first, _ = again(chain)
    done, started = again(chain, force=True)
    assert set(started) == {"make", "use", "after", "other"}
    assert {step.key for step in done.steps} == {step.key for step in first.steps}
    assert again(chain)[1] == []


def test_from_a_step_on_all_behind_it_is_done_anew(chain, again, pipeline):
    again(chain)
    assert again(chain, start="use")[1] == ["use", "after"]
    live = pipeline(CHAIN.replace("make: {", "make: {cache: false, "))
    again(live)
    done, started = again(live, start="use")
    assert started == ["use", "after"]
    assert done.steps[0].note.startswith("taken over from run ")
    assert done.steps[0].notebook.is_file()


def test_one_step_alone_takes_what_it_needs_as_it_is(chain, again):
    again(chain)
    done, started = again(chain, only="use")
    assert started == ["use"]
    assert [(step.name, step.cached) for step in done.steps] == [("make", True), ("use", False)]
    assert again(chain)[1] == []


def test_one_step_alone_is_refused_when_what_it_needs_is_not_there(chain, again, notebook):
    with pytest.raises(PipelineError, match=r"step 'make' has no result of its present code.*run .* without --only"):
        again(chain, only="use")
    again(chain)
    notebook("make", "# parameters\nn = 0", "changed = 1")
    with pytest.raises(PipelineError, match="step 'make' has no result"):
        again(chain, only="use")


def test_options_that_contradict_each_other_or_name_no_step_are_refused(chain, again, ws):
    with pytest.raises(UsageError, match="exclude each other"):
        again(chain, only="use", force=True)
    for options in ({"only": "us"}, {"start": "us"}):
        with pytest.raises(NotFoundError, match=r"no step 'us' .*make, use, after, other"):
            again(chain, **options)
    assert not ws.pipelines.exists()


def test_a_key_that_another_process_computes_is_waited_for_and_taken(chain, again, ws, tmp_path):
    first, _ = again(chain)
    use = first.steps[1]
    other = Store(ws.home / "cache", tmp_path)
    (ws.home / "cache" / use.key).rename(tmp_path / "away")
    assert other.claim(use.key)
    events = []
    thread = threading.Thread(target=lambda: events.append(again(chain, {"n": 1}, report=events.append)))
    thread.start()
    deadline = time.monotonic() + 20
    while not any(isinstance(event, Note) and "another process" in event.text for event in events):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert thread.is_alive()
    assert other.keep(Entry(use.key, "elsewhere", {"y": 7}), use.notebook) == ""
    other.release(use.key)
    thread.join(20)
    done, started = events[-1]
    assert started == []
    assert (done.steps[1].outputs, done.steps[1].cached) == ({"y": 7}, True)


def test_the_key_of_a_secret_is_its_name(notebook, pipeline, again, monkeypatch):
    notebook("login", "# parameters\ntoken = ''", "1")
    path = pipeline("steps:\n  login: {notebook: login.ipynb, parameters: {token: 'secret:TOKEN_X'}}\n")
    monkeypatch.setenv("TOKEN_X", "one-value")
    first, _ = again(path)
    monkeypatch.setenv("TOKEN_X", "other-value")
    done, started = again(path)
    assert started == []
    assert done.steps[0].key == first.steps[0].key
    assert "one-value" not in "".join(file.read_text() for file in first.path.rglob("*") if file.is_file())


def test_a_renamed_step_is_the_same(chain, again, pipeline):
    again(chain)
    done, started = again(pipeline(CHAIN.replace("use", "uses").replace("uses.ipynb", "use.ipynb")))
    assert started == []
    assert json.loads((done.path / "uses.json").read_text())["cached"] is True
