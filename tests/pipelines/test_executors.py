"""What every executor does alike: the processes of this machine, the fake, and nightly a Ray cluster of its own."""

import hashlib
import json
import os
import time

import pytest

from lepton_nb.pipelines import LocalExecutor
from lepton_nb.pipelines.executors.ray import RayExecutor

from .conftest import REPORT


@pytest.fixture(params=["local", "fake", pytest.param("ray", marks=pytest.mark.nightly)])
def executor(request, fake_executor, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    made = {"local": LocalExecutor, "fake": lambda: fake_executor, "ray": RayExecutor}[request.param]()
    yield made
    made.stop()


def ended(executor, count=1):
    results, deadline = [], time.monotonic() + 120
    while len(results) < count and time.monotonic() < deadline:
        if result := executor.wait(1.0):
            results.append(result)
    return results


def test_a_step_completes_with_its_parameters_folder_environment_and_outputs(executor, job, tmp_path):
    values = {"n": 3, "text": 'it\'s "q" \u2028 {x}\n', "items": [1, {"a": None}], "flag": True}
    made = job(
        "first",
        "# parameters\nn = 0\ntext = ''\nitems = []\nflag = False",
        REPORT + "import os\nrecord_output('got', [n, text, items, flag])",
        "record_output('place', [os.getcwd(), os.environ['MARK']])",
        parameters=values,
        environment={"MARK": "seen"},
    )
    before = hashlib.sha256(made.notebook.read_bytes()).digest()
    executor.start(made)
    (result,) = ended(executor)
    assert (result.name, result.status, result.error, result.cell) == ("first", "completed", "", None)
    assert result.outputs == {"got": list(values.values()), "place": [str(tmp_path), "seen"]}
    assert result.seconds > 0
    cells = json.loads(made.executed.read_text())["cells"]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3, 4]
    assert hashlib.sha256(made.notebook.read_bytes()).digest() == before


def test_a_failing_cell_is_named_with_one_line_and_the_outputs_before_it_are_kept(executor, job):
    made = job("bad", REPORT + "record_output('x', 1)", "raise ValueError('two\\n lines')", "record_output('x', 2)")
    executor.start(made)
    (result,) = ended(executor)
    assert (result.status, result.error, result.cell) == ("failed", "ValueError: two lines", 2)
    assert result.outputs == {"x": 1}
    assert json.loads(made.executed.read_text())["cells"]


def test_a_notebook_that_ends_itself_early_is_incomplete_although_its_exit_status_is_zero(executor, job):
    executor.start(job("early", "x = 1", "import sys; sys.exit(0)", "x = 2"))
    (result,) = ended(executor)
    assert (result.status, result.cell) == ("incomplete", 2)
    assert result.error.startswith("SystemExit: ")


def test_each_of_two_steps_ends_once(executor, job):
    for name in ("left", "right"):
        executor.start(job(name, REPORT + f"record_output('me', '{name}')"))
    results = ended(executor, 2)
    assert {result.name: result.outputs for result in results} == {"left": {"me": "left"}, "right": {"me": "right"}}
    assert executor.wait(0.1) is None


def test_a_stopped_step_gives_no_result(executor, job):
    executor.start(job("endless", "import time\nwhile True: time.sleep(1)"))
    executor.stop()
    assert executor.wait(0.1) is None


def test_the_tests_environment_is_left_as_it_was(executor, job):
    executor.start(job("env", "import os\nos.environ['LEAKED_BY_A_STEP'] = '1'"))
    assert ended(executor)[0].status == "completed"
    assert "LEAKED_BY_A_STEP" not in os.environ
