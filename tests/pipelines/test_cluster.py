"""Steps on a real Ray cluster: two nodes on loopback, of which one is killed."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from lepton_nb import pipelines
from lepton_nb.errors import PipelineError
from lepton_nb.pipelines.executors.ray import RayExecutor
from lepton_nb.pipelines.planning import Resources

from .conftest import REPORT, alive, until

TOKEN = "RAY_AUTH_TOKEN_PATH"


@dataclass
class TwoNodes:
    """A cluster that is ended with everything it started."""

    address: str
    second: int
    token: Path
    process: subprocess.Popen

    def kill_second(self):
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@contextlib.contextmanager
def two_nodes():
    # Sockets of Ray lie in it, whose paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="lepton-", dir="/tmp"))
    (folder / "token").write_text("0" * 40)
    command = [sys.executable, str(Path(__file__).with_name("two_nodes.py")), str(folder)]
    # What a node needs most is not measured here, so its workers are not worth a template of their own.
    env = {**os.environ, "RAY_AUTH_MODE": "token", TOKEN: str(folder / "token"), "LEPTON_WARM": "0"}
    with (folder / "log").open("w") as log:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        process = subprocess.Popen(command, **pipes, text=True, env=env)
    started = []
    try:
        words = process.stdout.readline().split()
        assert len(words) == 2, (folder / "log").read_text()[-2000:]
        started = psutil.Process(process.pid).children(recursive=True)
        yield TwoNodes(words[0], int(words[1]), folder / "token", process)
    finally:
        process.stdin.close()
        process.wait(60)
        _, left = psutil.wait_procs(started, 10)
        shutil.rmtree(folder)
    assert not left


@pytest.fixture(scope="module")
def nodes():
    with two_nodes() as made:
        yield made


@pytest.fixture
def lonely():
    """A cluster of one test, which may break it."""
    with two_nodes() as made:
        yield made


@pytest.fixture
def alone(monkeypatch):
    """No cluster is named."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", TOKEN, "LEPTON_SHARE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEPTON_WARM", "0")


@pytest.fixture
def cluster(nodes, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv(TOKEN, str(nodes.token))
    monkeypatch.delenv("LEPTON_SHARE", raising=False)
    return nodes


@pytest.fixture
def executor(cluster):
    made = RayExecutor(cluster.address)
    yield made
    made.stop()


def ended(executor, count=1):
    results, deadline = {}, time.monotonic() + 120
    while len(results) < count and time.monotonic() < deadline:
        if result := executor.wait(1.0):
            results[result.name] = result
    return results


def lines(path):
    return path.read_text().split() if path.exists() else []


def test_steps_end_on_a_cluster_as_they_do_here_and_are_cancelled_with_their_kernels(executor, job, tmp_path):
    bad = job("bad", REPORT + "record_output('x', 1)", "raise ValueError('two\\n lines')")
    endless = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    executor.start(job("huge", "x = 1", resources=Resources(64.0, 2000.0)))
    executor.start(bad)
    executor.start(job("late", "import time\ntime.sleep(600)", timeout=2.0))
    results = ended(executor, 3)
    assert results["huge"].status == "failed"
    assert "no node of the Ray cluster can hold step 'huge'; expected at most 1 cpus" in results["huge"].error
    assert (results["bad"].status, results["bad"].cell) == ("failed", 2)
    assert (results["bad"].error, results["bad"].outputs) == ("ValueError: two lines", {"x": 1})
    assert results["bad"].peak_memory_mb
    assert results["late"].status == "timeout"
    assert json.loads(bad.executed.read_text())["cells"]
    executor.start(job("endless", endless))
    (pid,) = map(int, until(lambda: lines(tmp_path / "pid")))
    executor.stop()
    assert not alive(pid)
    assert executor.wait(0.1) is None
    assert not list((tmp_path / "steps" / "endless").iterdir())


def test_files_travel_through_a_store_and_nothing_else_is_seen(cluster, job, tmp_path, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    (tmp_path / "own.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "number.txt").write_text("21")
    (tmp_path / "undeclared.txt").write_text("not for the node")
    made = job(
        "far",
        "# parameters\nname = ''",
        "from own import double\nvalue = double(int(open('number.txt').read()))\nopen(name, 'w').write(str(value))",
        REPORT + "import os\nrecord_output('seen', [os.getcwd(), os.environ['LEPTON_HOME'], *sorted(os.listdir())])",
        parameters={"name": "made.txt"},
        environment={"LEPTON_HOME": str(tmp_path / ".lepton")},
        inputs=(tmp_path / "number.txt",),
        writes=(tmp_path / "made.txt",),
    )
    executor = RayExecutor(cluster.address, store.as_uri())
    try:
        executor.start(made)
        result = ended(executor)["far"]
    finally:
        executor.stop()
    assert (result.status, result.error) == ("completed", "")
    place, home, *seen = result.outputs["seen"]
    assert [name for name in seen if name != "__pycache__"] == ["made.txt", "number.txt", "own.py"]
    assert not Path(place).exists()
    assert not Path(place).is_relative_to(tmp_path)
    assert home == f"{place}/.lepton"
    assert (tmp_path / "made.txt").read_text() == "42"
    assert [c["execution_count"] for c in json.loads(made.executed.read_text())["cells"]] == [1, 2, 3, 4]
    assert not list(store.iterdir())


def test_a_pipeline_completes_although_a_node_is_killed_in_the_middle(cluster, notebook, pipeline, ws, tmp_path):
    notebook(
        "work",
        "# parameters\nname = ''",
        REPORT + "import os, time\nfrom pathlib import Path\n"
        "with open(f'began-{name}', 'a') as file:\n"
        "    file.write(f\"{os.environ['RAY_RAYLET_PID']} {os.getpid()}\\n\")\n"
        "record_output(f'pid{os.getpid()}', 1)\n"
        "while not Path('go').exists():\n    time.sleep(0.1)",
        "record_output('done', name)",
    )
    text = "name: two\nsteps:\n"
    for name in ("left", "right"):
        text += f"  {name}: {{notebook: work.ipynb, parameters: {{name: {name}}}}}\n"
    path = pipeline(text)
    began = {name: tmp_path / f"began-{name}" for name in ("left", "right")}

    def kill():
        try:
            until(lambda: all(len(lines(file)) == 2 for file in began.values()))
            (kernel,) = (int(pid) for node, pid in map(lines, began.values()) if int(node) == cluster.second)
            cluster.kill_second()
            # The worker notices that its node is gone a moment later, and could end a step in it.
            until(lambda: not alive(kernel))
        finally:
            (tmp_path / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    executor = RayExecutor(cluster.address)
    try:
        run = pipelines.run(ws, path, executor=executor)
    finally:
        killer.join()
        executor.stop()
    assert run.status == "completed"
    tries = {name: [tuple(map(int, line.split())) for line in f.read_text().splitlines()] for name, f in began.items()}
    (twice,) = (name for name, entries in tries.items() if len(entries) == 2)
    (lost, kernel), (node, _) = tries[twice]
    assert (lost, node) == (cluster.second, tries["right" if twice == "left" else "left"][0][0])
    assert not alive(kernel)
    for step in run.steps:
        assert set(step.outputs) == {f"pid{tries[step.name][-1][1]}", "done"}
        assert not list((run.path / step.name).glob("attempt-*"))
        assert json.loads(step.notebook.read_text())["cells"][-1]["execution_count"] == 4


def test_a_cluster_refuses_who_has_no_token(cluster, job, monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE")
    monkeypatch.delenv(TOKEN)
    monkeypatch.setenv("HOME", str(cluster.token.parent / "nobody"))
    with pytest.raises(PipelineError, match="does not let us in; expected its token; next: set RAY_AUTH_MODE"):
        RayExecutor(cluster.address).start(job("stranger", "x = 1"))


@pytest.mark.nightly
def test_our_own_cluster_is_for_this_machine_and_who_has_its_token_and_ends_with_us(alone, job):
    executor = RayExecutor()
    executor.start(job("path", REPORT + "import os\nrecord_output('path', os.environ['PYTHONPATH'])"))
    assert "lepton-ray" not in ended(executor)["path"].outputs["path"]
    tree = psutil.Process().children(recursive=True)
    assert sum("ray" in process.name() for process in tree) > 4
    listening = [c.laddr.ip for p in tree for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    with pytest.raises(PipelineError, match="does not let us in"):
        RayExecutor(executor.address).start(job("stranger", "x = 1"))
    folder = Path(executor._driver._folder)
    assert folder.stat().st_mode & 0o77 == 0
    executor.stop()
    assert not psutil.wait_procs(tree, 10)[1]
    assert not folder.exists()


@pytest.mark.nightly
def test_when_the_runner_is_killed_its_steps_and_its_cluster_end(alone, notebook, tmp_path):
    notebook("endless", "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)")
    (tmp_path / "folder").mkdir()
    text = (
        "from pathlib import Path\n"
        "from lepton_nb.pipelines import StepJob\n"
        "from lepton_nb.pipelines.executors.ray import RayExecutor\n"
        "here, executor = Path.cwd(), RayExecutor()\n"
        "executor.start(StepJob('s', here / 'endless.ipynb', here / 'out.ipynb', here / 'folder', here))\n"
        "executor.wait(600)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path)
    (kernel,) = map(int, until(lambda: lines(tmp_path / "pid"), 120))
    tree = psutil.Process(runner.pid).children(recursive=True)
    runner.kill()
    runner.wait()
    assert not psutil.wait_procs([*tree, *([psutil.Process(kernel)] if alive(kernel) else [])], 60)[1]


@pytest.mark.nightly
def test_a_lost_cluster_is_an_error_and_not_the_end_of_the_runner(lonely, monkeypatch, job):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv(TOKEN, str(lonely.token))
    executor = RayExecutor(lonely.address)
    executor.start(job("endless", "import time\ntime.sleep(600)"))
    head = psutil.Process(lonely.process.pid)
    for process in head.children(recursive=True):
        if process.name() in ("gcs_server", "raylet"):
            process.kill()
    with pytest.raises(PipelineError, match=r"the connection to Ray on .* ended"):
        until(lambda: executor.wait(1.0), 200)
    executor.stop()


@pytest.mark.nightly
def test_a_step_that_no_node_can_hold_any_more_fails_with_the_reason(lonely, monkeypatch, job, tmp_path):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv(TOKEN, str(lonely.token))
    executor = RayExecutor(lonely.address)
    cells = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    made = job("large", cells, resources=Resources(1.0, 6000.0))
    executor.start(made)
    until(lambda: lines(tmp_path / "pid"))
    until(lambda: made.folder.glob("attempt-*/executed.ipynb"))
    lonely.kill_second()
    result = until(lambda: executor.wait(1.0), 150)
    executor.stop()
    assert result.status == "failed"
    assert "no node of the Ray cluster can hold step 'large'; expected at most 1 cpus, 4096 MiB memory" in result.error
