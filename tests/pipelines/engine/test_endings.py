"""How a notebook ended is what its file, the command's exit status and its message say."""

import asyncio
import datetime as dt
import json
import os
import signal
import threading
import time

import papermill as library
import psutil
import pytest

from lepton_nb.pipelines.engine.ending import one_line

from ..conftest import until


def test_a_notebook_that_was_executed_to_its_last_cell_is_completed(papermill, write):
    said = papermill(write("x = 1", ("never()", ["skip-execution"]), "print(x)", "import sys; sys.exit(0)"))
    assert said.code == 0
    assert said.ending == {"status": "completed", "error": "", "cell": None}
    assert said.states == ["completed", "skipped", "completed", "completed"]
    assert [cell["execution_count"] for cell in said.cells] == [1, None, 2, 3]
    assert [output["text"] for output in said.cells[2]["outputs"]] == [["1\n"]]
    assert not said.cells[1]["outputs"]


def test_a_cell_that_raises_ends_it_as_failed(papermill, write):
    said = papermill(write("x = 1", "1/0", "x = 2"))
    assert said.code == 1
    assert said.ending == {"status": "failed", "error": "ZeroDivisionError: division by zero", "cell": 2}
    assert said.states == ["completed", "failed", "pending"]
    assert (said.cells[2]["execution_count"], said.cells[2]["outputs"]) == (None, [])
    assert "ZeroDivisionError" in said.text


@pytest.mark.parametrize("leave", ["import sys; sys.exit(0)", "exit()"])
def test_a_notebook_that_ends_itself_early_is_incomplete(papermill, write, leave):
    said = papermill(write("x = 1", leave, "x = 2", "x = 3"))
    assert said.code == 1
    assert said.states == ["completed", "incomplete", "pending", "pending"]
    assert (said.ending["status"], said.ending["cell"]) == ("incomplete", 2)
    assert "the notebook ended itself in cell [2] with 2 cells left to execute" in said.text


@pytest.mark.parametrize(
    "death",
    [
        "import os; os._exit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import ctypes; ctypes.string_at(0)",
    ],
)
def test_a_kernel_that_dies_is_seen_and_the_cell_is_named(papermill, write, death):
    said = papermill(write("x = 1", f"import time\nprint('last words', flush=True)\ntime.sleep(0.2)\n{death}", "x = 2"))
    assert said.code == 138
    assert said.states == ["completed", "kernel_died", "pending"]
    assert (said.ending["status"], said.ending["cell"]) == ("kernel_died", 2)
    assert said.cells[1]["outputs"][0]["text"] == ["last words\n"]
    assert "the kernel died (killed, crashed, or out of memory) in cell [2]" in said.text


def test_a_kernel_that_dies_behind_a_cell_is_no_success_either(papermill, write):
    later = "import os, threading\nthreading.Timer(0.5, os._exit, [0]).start()"
    said = papermill(write(later, "import time\ntime.sleep(60)"))
    assert said.code == 138
    assert (said.ending["status"], said.ending["cell"]) == ("kernel_died", 2)


def test_a_kernel_killed_from_outside_is_seen_within_two_seconds(papermill, write, tmp_path):
    told = tmp_path / "pid"
    source = write(f"import os, time\nopen({str(told)!r}, 'w').write(str(os.getpid()))", "time.sleep(60)")
    seconds = []
    # A busy machine may miss it once, not each time.
    while not seconds or (seconds[-1] > 2 and len(seconds) < 3):
        told.unlink(missing_ok=True)
        command = papermill.start(source, "out.ipynb")
        kernel = int(until(lambda: told.exists() and told.read_text()))
        killed = time.time()
        psutil.Process(kernel).kill()
        assert command.wait(30) == 138
        noted = json.loads((tmp_path / "out.ipynb").read_text())["metadata"]
        assert noted["lepton"]["status"] == "kernel_died"
        seconds.append(dt.datetime.fromisoformat(noted["papermill"]["end_time"]).timestamp() - killed)
    assert 0 < seconds[-1] <= 2, seconds


def test_a_cell_that_takes_too_long_ends_it_as_timed_out(papermill, write):
    said = papermill(write("x = 1", "import time\ntime.sleep(60)", "x = 2"), "--execution-timeout", 1)
    assert said.code == 1
    assert said.states == ["completed", "timeout", "pending"]
    assert (said.ending["status"], said.ending["cell"]) == ("timeout", 2)
    assert "cell [2] took longer than its timeout of 1 s" in said.text


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_closes_its_books_and_ends_its_kernel(papermill, write, tmp_path, kind, code):
    source = write(f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    command = papermill.start(source, "out.ipynb")
    kernel = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    psutil.Process(command.pid).send_signal(kind)
    assert command.wait(30) == code
    assert not psutil.pid_exists(kernel)
    notebook = json.loads((tmp_path / "out.ipynb").read_text())
    assert notebook["metadata"]["lepton"]["status"] == "failed"
    assert notebook["metadata"]["lepton"]["error"].startswith("KeyboardInterrupt")
    assert notebook["cells"][0]["metadata"]["papermill"]["status"] == "failed"


def test_an_interrupt_where_a_loop_runs_ends_the_kernel_too_and_then_is_raised(write, tmp_path):
    told = f"import os, signal, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    source = write(f"{told}os.kill({os.getpid()}, signal.SIGINT)\ntime.sleep(60)", "1")

    async def in_a_loop():
        library.execute_notebook(source, tmp_path / "out.ipynb", engine_name="lepton", progress_bar=False)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(in_a_loop())
    finally:
        loop.close()
        signal.signal(signal.SIGINT, before)
    assert "lepton-engine" not in [thread.name for thread in threading.enumerate()]
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    notebook = json.loads((tmp_path / "out.ipynb").read_text())
    assert notebook["metadata"]["lepton"]["error"].startswith("KeyboardInterrupt")
    assert [cell["metadata"]["papermill"]["status"] for cell in notebook["cells"]] == ["failed", "pending"]


def test_half_a_character_in_an_error_can_be_written():
    assert one_line("ValueError", "\ud800 \udcff").encode() == b"ValueError: \\ud800 \\udcff"


def test_an_error_that_a_cell_allows_fails_as_it_does_for_papermill(papermill, write):
    said = papermill(write(("1/0", ["raises-exception"]), "x = 2"))
    assert said.code == 1
    assert (said.ending["status"], said.ending["cell"]) == ("failed", 1)
    assert said.states == ["failed", "completed"]
