"""A pipeline that is killed with all its processes, at any moment, and started again until it completes."""

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lepton_nb import pipelines
from lepton_nb.workspace import Workspace, file_sha256

REPORT = "from lepton_nb.pipelines import record_output\n"
# Each step prints much, so that its notebook takes time to be written, and counts itself when it is through.
WORK = (
    "# parameters\nname = ''\nx = 0",
    "import time\nprint('a long line ' * 40_000)\ntime.sleep(0.1)",
    REPORT + "record_output('x', x + 1)\nwith open(f'made-{name}.txt', 'w') as file:\n    file.write(str(x) * 50_000)",
    "with open(f'count-{name}', 'a') as file:\n    file.write('1')",
)
STEPS = """
steps:
  first: {notebook: work.ipynb, parameters: {name: first}, writes: [made-first.txt]}
  live: {notebook: work.ipynb, cache: false, parameters: {name: live, x: "{first.x}"}, writes: [made-live.txt]}
  side: {notebook: work.ipynb, parameters: {name: side, x: 5}, writes: [made-side.txt]}
  last: {notebook: work.ipynb, parameters: {name: last, x: "{live.x}"}, needs: [side], writes: [made-last.txt]}
"""


def begin(root):
    """The runner, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "lepton_nb.cli", "pipeline", "run", str(root / "pipeline.yml")],
        cwd=Path(pipelines.__file__).parents[2],
        env={**os.environ, "LEPTON_HOME": str(root / ".lepton")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill_tree(process):
    """SIGKILL to the runner and to whatever is below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.communicate()


def finished(root):
    """The steps that are done by their records, or by what their workers left."""
    done = set()
    for file in root.glob(".lepton/pipelines/*/*.json"):
        body = json.loads(file.read_text())
        result = file.parent / file.stem / "result.json"
        ended = result.exists() and json.loads(result.read_text())["status"] == "completed"
        if file.name != "run.json" and (body["status"] == "completed" or ended):
            done.add(file.stem)
    return done


def counts(root):
    return {file.name[6:]: len(file.read_text()) for file in root.glob("count-*")}


def results(root):
    """What came out: the files that were made, and what the steps reported."""
    done = pipelines.status(Workspace(root / ".lepton"))
    files = {file.name: file_sha256(file) for file in root.glob("made-*")}
    return done.status, files, {step.name: dict(step.outputs) for step in done.steps}


def until_complete(root, chance, longest):
    """Start the pipeline, kill it, and again until it completes; gives the kills, and the seconds of the last run."""
    kills, seen = 0, {}
    while True:
        process, start = begin(root), time.monotonic()
        try:
            _, said = process.communicate(timeout=chance.uniform(0.1, longest))
        except subprocess.TimeoutExpired:
            kill_tree(process)
            kills += 1
            # What the runner started from the template ends with it.
            time.sleep(0.3)
        else:
            assert process.returncode == 0, said.decode()
        now = counts(root)
        for name in finished(root):
            assert now[name] == seen.setdefault(name, now[name]), f"{name} ran again"
        for file in root.glob(".lepton/**/*.ipynb"):
            assert json.loads(file.read_text())["cells"], file
        # A kill may come when the run is over and only its process is not yet.
        if any(
            json.loads(file.read_text())["status"] == "completed" for file in root.glob(".lepton/pipelines/*/run.json")
        ):
            return kills, time.monotonic() - start
        # A machine that is too busy to get anywhere in that time gets more.
        longest *= 1.1


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])])
def test_a_pipeline_that_is_killed_at_any_moment_ends_as_if_it_had_not_been(notebook, tmp_path, kills):
    chance = random.Random()
    seed = chance.randrange(10**6)
    chance.seed(seed)
    print("seed", seed)

    def project(name):
        root = tmp_path / name
        (root / ".lepton").mkdir(parents=True)
        notebook(f"{name}/work", *WORK)
        (root / "pipeline.yml").write_text(STEPS)
        return root

    calm = project("calm")
    start = time.monotonic()
    process = begin(calm)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said.decode()
    longest, wanted = time.monotonic() - start, results(calm)
    survived = 0
    for number in itertools.count():
        if survived >= kills:
            break
        root = project(f"killed-{number}")
        killed, took = until_complete(root, chance, longest)
        survived += killed
        # The calm run may have waited for imports that are done since.
        longest = longest if killed else took
        assert results(root) == wanted
        assert set(counts(root)) == {"first", "live", "side", "last"}
