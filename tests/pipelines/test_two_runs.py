"""Two processes run the same pipeline at the same time."""

import os
import subprocess
import sys
from pathlib import Path

from lepton_nb import pipelines

COUNT = "# parameters\nname = ''"
WORK = "import time\ntime.sleep(0.5)\nwith open(f'count-{name}', 'a') as file:\n    file.write('1')"
STEPS = """
steps:
  a: {notebook: work.ipynb, parameters: {name: a}}
  b: {notebook: work.ipynb, parameters: {name: b}, needs: [a]}
  c: {notebook: work.ipynb, parameters: {name: c}}
"""


def test_what_one_computes_the_other_takes(notebook, pipeline, ws, tmp_path):
    notebook("work", COUNT, WORK)
    command = [sys.executable, "-m", "lepton_nb.cli", "pipeline", "run", str(pipeline(STEPS)), "--jobs", "1"]
    ws.home.mkdir()
    processes = [
        subprocess.Popen(
            command,
            cwd=Path(pipelines.__file__).parents[2],
            env={**os.environ, "LEPTON_HOME": str(ws.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=200)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert {file.name: file.read_text() for file in tmp_path.glob("count-*")} == {
        f"count-{name}": "1" for name in "abc"
    }
    runs = [pipelines.status(ws, folder.name) for folder in ws.pipelines.iterdir()]
    assert [run.status for run in runs] == ["completed", "completed"]
    # Each of the three was computed by one of the two, and taken by the other.
    assert sorted(step.cached for run in runs for step in run.steps) == 3 * [False] + 3 * [True]
