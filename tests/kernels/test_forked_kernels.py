"""A forked kernel is a full one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from lepton_nb import kernels
from lepton_nb.kernels.client import Forked

from .conftest import gone, wait_until


def open_files(pid):
    """What the file descriptors of a process point to; it may close some while they are looked at."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return found


def test_a_kernel_starts_with_its_imports_done_and_with_no_thread_of_the_template(kernel):
    assert (
        kernel.says("import sys; print({'torch', 'pytorch_lightning', 'mlflow', 'sklearn'} <= set(sys.modules))")
        == "True"
    )
    template = psutil.Process(kernel.pid).parent()
    assert "lepton_nb.kernels.template" in template.cmdline()[2]
    names = [line.split(":")[1].strip() for line in os.popen(f"grep -h Name /proc/{template.pid}/task/*/status")]
    assert len(names) <= 4


ABOUT = """
import json, os, sys
open("made", "w").close()
print(json.dumps([os.getcwd(), os.environ["COLOUR"], os.environ["JPY_PARENT_PID"], oct(os.stat("made").st_mode)[-3:],
                  sys.argv[1], os.path.basename(sys.argv[0]), sys.path, os.getsid(0) == os.getpid(), __name__,
                  os.nice(0), sys.stdout.encoding, len(os.sched_getaffinity(0)), sorted(os.environ)]))
os.remove("made")
"""

# What these libraries choose when they are imported.
CHOSEN = """
import json, tempfile
import matplotlib, pandas
from tqdm.auto import tqdm as bar
columns = pandas.get_option("display.max_columns")
pandas.reset_option("display.max_columns")
print(json.dumps([columns, pandas.get_option("display.max_columns"), [kind.__module__ for kind in bar.__mro__],
                  tempfile.gettempdir(), matplotlib.rcParams["lines.linewidth"], matplotlib.rcParams["grid.color"],
                  matplotlib.get_backend()]))
"""


def test_its_environment_folder_arguments_session_and_path_are_those_of_a_spawned_one(start_kernel, tmp_path):
    seen, chosen = [], []
    (tmp_path / "here").mkdir()
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7.0\n")
    old = os.umask(0o027)
    try:
        for warm in ("1", "0"):
            environment = {**os.environ, "COLOUR": "green", "OMP_NUM_THREADS": "1", "LEPTON_WARM": warm}
            environment["TMPDIR"] = str(tmp_path / "here")
            one = start_kernel(cwd=str(tmp_path), env=environment)
            assert isinstance(one.process, Forked) == (warm == "1")
            seen.append(json.loads(one.says(ABOUT)))
            chosen.append(json.loads(one.says(CHOSEN)))
            if warm == "1":
                assert one.says("import torch; print(torch.get_num_threads())") == "1"
                links = open_files(one.pid)
                assert links
                assert not [link for link in links if "pidfd" in link]
            one.stop()
    finally:
        os.umask(old)
    names = [set(one.pop()) for one in seen]
    # Imports set variables, too; the forked one has done more of them.
    assert names[0] >= names[1]
    assert seen[0] == seen[1]
    assert chosen[0] == chosen[1]
    assert chosen[0][3:5] == [str(tmp_path / "here"), 7.0]
    assert seen[0][:5] == [str(tmp_path), "green", str(os.getpid()), "640", "-f"]


def test_libraries_that_were_imported_before_there_was_a_kernel_show_bars_for_notebooks(kernel):
    said = kernel.says(
        """
        from pytorch_lightning.callbacks.progress import tqdm_progress
        from pytorch_lightning.tuner import lr_finder
        from tqdm.auto import tqdm
        print(issubclass(tqdm_progress.Tqdm, tqdm), lr_finder.tqdm is tqdm, tqdm.__mro__[1].__module__)
        """
    )
    assert said == "True True tqdm.notebook"


def test_a_process_with_fewer_processors_computes_on_as_many_threads(kernel, tmp_path, modules):
    modules(
        threads="""
        import numpy, threadpoolctl, torch
        print(torch.get_num_threads(), *{pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
        """
    )
    mine = os.sched_getaffinity(0)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    os.sched_setaffinity(0, {min(mine)})
    try:
        bound = kernels.start_bound("threads", [], log=tmp_path / "log", cwd=tmp_path, env=environment)
    finally:
        os.sched_setaffinity(0, mine)
    assert isinstance(bound._process, Forked)
    assert bound.wait(30) == 0
    assert (tmp_path / "log").read_text().split() == ["1", "1"]


def test_two_kernels_draw_different_numbers(kernel, start_kernel):
    draw = "import random, numpy, torch\nprint(random.random(), numpy.random.rand(), torch.rand(1).item())"
    other = start_kernel()
    for mine, theirs in zip(kernel.says(draw).split(), other.says(draw).split(), strict=True):
        assert mine != theirs
    other.stop()


def test_torch_computes_on_several_threads(kernel):
    said = kernel.says(
        """
        import torch
        torch.set_num_threads(2)
        a = torch.rand(700, 700, requires_grad=True)
        (a @ a).sum().backward()
        print(torch.linalg.svdvals(a.detach()[:100]).shape[0], a.grad.isfinite().all().item())
        """
    )
    assert said == "100 True"


def test_data_loaders_start_workers(kernel):
    said = kernel.says(
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        loader = DataLoader(TensorDataset(torch.arange(8)), batch_size=4, num_workers=2)
        print([batch[0].tolist() for batch in loader])
        """
    )
    assert said == "[[0, 1, 2, 3], [4, 5, 6, 7]]"


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="there is no CUDA device")
def test_cuda_is_used_first_after_the_fork(kernel):
    assert kernel.says("import torch; print(torch.ones(3, device='cuda').sum().item())") == "3.0"


def test_cells_ask_for_input(kernel):
    assert kernel.run("print('hello', input('name? '))", answer="Ada").text.strip() == "hello Ada"


def test_plots_are_drawn_inline(kernel):
    ran = kernel.run(
        "import matplotlib, matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint(plt.get_backend())"
    )
    assert any("image/png" in data for data in ran.shown)
    assert "inline" in ran.text
    assert any("image/png" in data for data in kernel.run("plt.plot([2, 1])").shown), "without plt.show() too"


def test_widgets_and_their_front_end_talk(kernel):
    ran = kernel.run("import ipywidgets\nslider = ipywidgets.IntSlider(3)\ndisplay(slider)")
    (view,) = [data["application/vnd.jupyter.widget-view+json"] for data in ran.shown]
    content = {"comm_id": view["model_id"], "data": {"method": "update", "state": {"value": 7}, "buffer_paths": []}}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", content))
    assert kernel.says("print(slider.value)") == "7"


def test_commands_and_subprocesses_run(kernel):
    assert kernel.says("!echo from the shell") == "from the shell"
    assert kernel.says("import subprocess; print(subprocess.check_output(['echo', 'child'], text=True))") == "child"
    assert "low" in kernel.says("import os; _ = os.system('echo low')")


@pytest.mark.parametrize("busy", ["import time; time.sleep(60)", "while True: pass", "!sleep 60"])
def test_an_interrupt_ends_the_cell_and_not_the_kernel(kernel, busy):
    asked = kernel.start(f"print('begun', flush=True)\n{busy}")
    while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
        pass
    time.sleep(0.2)
    kernel.manager.interrupt_kernel()
    ran = kernel.finish(asked, timeout=20)
    assert ran.error == "KeyboardInterrupt" or busy.startswith("!")
    assert kernel.says("print(1 + 1)") == "2"


def test_the_debugger_answers(kernel):
    arguments = {"clientID": "t", "adapterID": "", "linesStartAt1": True}
    request = {"type": "request", "seq": 1, "command": "initialize", "arguments": arguments}
    kernel.client.control_channel.send(kernel.client.session.msg("debug_request", request))
    assert kernel.client.get_control_msg(timeout=30)["content"]["success"]


def test_a_restarted_kernel_is_another_process_that_knows_nothing(start_kernel):
    one = start_kernel()
    one.run("x = 1")
    before = one.pid
    one.manager.restart_kernel()
    one.client.wait_for_ready(timeout=60)
    assert isinstance(one.process, Forked)
    assert one.pid != before
    assert gone(before)
    assert one.run("x").error == "NameError"
    one.stop()


def test_an_ended_kernel_leaves_its_status_and_no_zombie(start_kernel):
    one = start_kernel()
    one.run("import atexit; atexit.register(lambda: open('/dev/null').close())")
    process, parent = one.process, psutil.Process(one.pid).parent()
    one.client.stop_channels()
    one.manager.shutdown_kernel()
    assert process.returncode == 0
    assert process.pid not in [child.pid for child in parent.children()]


@pytest.mark.parametrize(
    ("code", "status"), [("import os; os._exit(7)", 7), ("import os; os.kill(os.getpid(), 11)", -11)]
)
def test_the_status_of_a_kernel_that_ends_itself_is_told(start_kernel, code, status):
    one = start_kernel()
    process = one.process
    one.start(code)
    assert process.wait(30) == status
    one.stop()


OWNER = """
import sys, time
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="lepton")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(60)
client.execute('''
import ctypes, os, subprocess, time
child = subprocess.Popen(["sleep", "600"])
print(os.getpid(), child.pid, flush=True)
time.sleep(0.5)
ctypes.PyDLL(None).sleep(600)
''')
while True:
    message = client.get_iopub_msg(timeout=60)
    if message["msg_type"] == "stream":
        print(message["content"]["text"], flush=True)
        time.sleep(600)
"""


def test_a_kernel_that_holds_the_interpreter_goes_with_its_killed_owner_and_so_does_what_it_started(kernel):
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: all(map(gone, pids)), 10)
