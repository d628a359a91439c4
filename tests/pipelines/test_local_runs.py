"""Real notebooks through Papermill on real kernels, and what is left when something is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lepton_nb import pipelines
from lepton_nb.errors import PipelineError
from lepton_nb.pipelines import LocalExecutor, StepJob
from lepton_nb.workspace import Workspace

from .conftest import REPORT, alive, until

SLEEP = REPORT + "import os, time\nrecord_output('pid', os.getpid())\ntime.sleep(120)"


def reported_pid(folder):
    lines = (folder / "outputs.jsonl").read_text().splitlines() if (folder / "outputs.jsonl").exists() else []
    return json.loads(lines[0])["value"] if lines else None


@pytest.fixture
def job(tmp_path, notebook):
    def make(name, *cells, **options):
        (tmp_path / name).mkdir()
        made = notebook(f"source-{name}", *cells)
        return StepJob(name, made, tmp_path / f"{name}.ipynb", tmp_path / name, tmp_path, **options)

    return make


@pytest.fixture
def executor():
    made = LocalExecutor()
    yield made
    made.stop()


def finish(executor, job):
    executor.start(job)
    return until(lambda: executor.wait(1.0), 120)


def cell_states(path):
    """Papermill's own markers, which it puts around a failed cell, are left out."""
    cells = [cell["metadata"] for cell in json.loads(path.read_text())["cells"]]
    return [cell["papermill"]["status"] for cell in cells if "papermill" in cell]


def test_a_pipeline_runs_on_this_interpreter_in_the_project_root(notebook, pipeline, ws, tmp_path):
    notebook(
        "steps/where",
        "# parameters\nn = 1",
        REPORT + "import os, sys\nrecord_output('python', sys.executable)\nrecord_output('n', n)",
        "from lepton_nb.workspace import current\nrecord_output('here', [os.getcwd(), str(current().home)])",
    )
    text = """
name: where
steps:
  one: {notebook: steps/where.ipynb, parameters: {n: 41}}
  two: {notebook: steps/where.ipynb, parameters: {n: "{one.n}"}}
"""
    done = pipelines.run(ws, pipeline(text))
    one, two = done.steps
    assert one.outputs == {"python": sys.executable, "n": 41, "here": [str(tmp_path), str(ws.home)]}
    assert two.outputs["n"] == 41
    assert one.peak_memory_mb > 0
    assert cell_states(one.notebook) == 4 * ["completed"]
    assert json.loads((tmp_path / "steps/where.ipynb").read_text())["cells"][0]["outputs"] == []
    assert not list(tmp_path.glob("kernel*"))


def test_an_error_of_ours_arrives_as_its_one_line_without_colours(executor, job):
    made = job("ours", "from lepton_nb.errors import DataError", "raise DataError('no column y', hint='--target b')")
    result = finish(executor, made)
    assert (result.error, result.cell) == ("DataError: no column y; next: --target b", 2)
    assert cell_states(made.executed)[-2:] == ["completed", "failed"]


def test_an_unknown_magic_is_named_although_ipython_reports_it_aside(executor, job):
    result = finish(executor, job("magic", "1", "%nosuch", "2"))
    assert (result.status, result.cell) == ("failed", 2)
    assert "%nosuch" in result.error


def test_a_killed_kernel_fails_the_step_and_names_the_cell(executor, job):
    made = job("dead", "x = 1", "import os\nos.kill(os.getpid(), 9)", "x = 2")
    result = finish(executor, made)
    assert (result.status, result.cell) == ("kernel_died", 2)
    assert result.error.startswith("DeadKernelError: the kernel died")
    assert cell_states(made.executed) == ["completed", "kernel_died", "pending"]


@pytest.mark.parametrize("warm", ["1", "0"])
def test_the_memory_of_a_step_is_what_its_cells_took_at_most(executor, job, warm):
    # Gone before anybody looks. One more than the least that is to be seen: a page that the kernel gives back meanwhile
    # counts against it.
    made = job("large", "block = b'x' * (301 * 2**20)\ndel block", environment={"LEPTON_WARM": warm})
    assert 300 < finish(executor, made).peak_memory_mb < 345


def test_the_memory_of_what_a_step_forks_counts_but_not_twice(executor, job):
    child = "time.sleep(0.4); own = b'y' * (100 * 2**20); del own; time.sleep(1); os._exit(0)"
    made = job("family", "import os, time\nblock = b'x' * (200 * 2**20)", f"if not os.fork():\n    {child}\nos.wait()")
    assert 290 < finish(executor, made).peak_memory_mb < 345


def test_a_step_that_takes_too_long_is_killed_with_all_that_it_started(executor, job, tmp_path):
    cell = "import subprocess\nprocess = subprocess.Popen(['sleep', '120'], start_new_session=True)"
    made = job("slow", cell, REPORT + "record_output('pid', process.pid)", "import time\ntime.sleep(120)", timeout=5)
    result = finish(executor, made)
    assert result.error == "TimeoutError: the step took longer than its timeout of 5 s"
    assert (result.status, result.cell) == ("timeout", 3)
    assert not alive(result.outputs["pid"])
    assert cell_states(made.executed) == ["completed", "completed", "timeout"]
    assert json.loads(made.executed.read_text())["metadata"]["lepton"]["error"] == result.error


def test_a_killed_worker_is_seen_and_its_kernel_does_not_stay(executor, job, tmp_path):
    made = job("orphan", "1", SLEEP)
    executor.start(made)
    kernel = until(lambda: executor.wait(0.1) or reported_pid(made.folder))
    executor.wait(0.6)
    psutil.Process(executor._children[0].process.pid).kill()
    result = until(lambda: executor.wait(1.0))
    assert result.error == "ChildProcessError: the step's worker was killed by SIGKILL"
    assert result.cell == 2
    until(lambda: not alive(kernel))


RUNNER = """
import sys
from pathlib import Path
from lepton_nb import pipelines
from lepton_nb.workspace import Workspace
pipelines.run(Workspace(Path(sys.argv[1]) / ".lepton"), Path(sys.argv[1]) / "pipeline.yml")
"""


@pytest.fixture
def runner(notebook, pipeline, tmp_path):
    """A process that runs a pipeline of which one step sleeps, and that step's kernel."""
    notebook("sleep", SLEEP)
    notebook("after", "1")
    pipeline("steps:\n  sleep: {notebook: sleep.ipynb}\n  after: {notebook: after.ipynb, needs: [sleep]}\n")
    source = Path(pipelines.__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path)], cwd=source, stderr=subprocess.PIPE)
    yield (
        process,
        until(lambda: next(filter(None, map(reported_pid, tmp_path.glob(".lepton/pipelines/*/sleep"))), None)),
    )
    process.kill()
    process.communicate()


def test_ctrl_c_ends_every_kernel_and_leaves_true_records(runner, ws):
    process, kernel = runner
    assert pipelines.status(ws).status == "running"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    assert not alive(kernel)
    sleep, after = pipelines.status(ws).steps
    assert (sleep.status, sleep.error, after.status) == ("failed", "interrupted", "skipped")


def test_a_command_that_is_terminated_runs_the_last_steps_and_leaves_true_records(notebook, pipeline, ws, tmp_path):
    notebook("sleep", SLEEP)
    notebook("last", f"open({str(tmp_path / 'done')!r}, 'w').close()")
    path = pipeline("steps:\n  sleep: {notebook: sleep.ipynb}\n  last: {notebook: last.ipynb}\nfinally: [last]\n")
    command = [sys.executable, "-m", "lepton_nb.cli", "pipeline", "run", str(path)]
    here = {"cwd": Path(pipelines.__file__).parents[2], "env": {**os.environ, "LEPTON_HOME": str(ws.home)}}
    with subprocess.Popen(command, **here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: next(filter(None, map(reported_pid, tmp_path.glob(".lepton/pipelines/*/sleep"))), None))
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (143, "terminated")
    assert (tmp_path / "done").exists()
    done = pipelines.status(ws)
    assert [(step.status, step.error) for step in done.steps] == [("failed", "interrupted"), ("completed", "")]
    assert done.report.exists()


def test_a_killed_runner_takes_its_steps_along_and_is_seen_as_dead(runner, ws, tmp_path, executor, job):
    process, kernel = runner
    sockets = Path(json.loads(next(tmp_path.glob(".lepton/pipelines/*/sleep/job.json")).read_text())["sockets"])
    assert sockets.is_dir()
    process.kill()
    process.wait()
    until(lambda: not alive(kernel))
    done = pipelines.status(ws)
    assert done.status == "failed"
    assert done.steps[0].error == "ChildProcessError: the pipeline's runner died"
    assert done.steps[1].status == "skipped"
    assert pipelines.status(Workspace(tmp_path / ".lepton")) == done
    # What a killed runner left is removed by the next.
    executor.start(job("next", "1"))
    executor.stop()
    assert not sockets.exists()


def test_two_failures_are_both_named(notebook, pipeline, ws):
    notebook("bad", "1/0")
    text = "steps:\n  a: {notebook: bad.ipynb}\n  b: {notebook: bad.ipynb}\n"
    with pytest.raises(PipelineError, match=r"step 'a' failed in cell 1 of .* \(and b failed too\): ZeroDivisionError"):
        pipelines.run(ws, pipeline(text))


def test_importing_the_room_loads_no_papermill():
    code = "import lepton_nb.pipelines, sys; assert not {'papermill', 'nbclient', 'nbformat', 'zmq'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(pipelines.__file__).parents[2], check=True)
