"""A program whose work a forked process does cannot be told from one that does it itself."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import psutil
import pytest

from lepton_nb import kernels

from .conftest import gone, small_template, template_pids, wait_until

FRONT = """
import runpy, sys
from lepton_nb.kernels import client, run_in_foreground
client._FRONT_S, client._FRONT_READING_S = float(sys.argv.pop(1)), 0.5
run_in_foreground(sys.argv[1], sys.argv[2:])
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
OPEN = "import signal; signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])\n"
ABOUT = """
import json, os, resource, signal, sys
from pathlib import Path
os.umask(mask := os.umask(0))
ignored = [int(number) for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]
print(json.dumps([__name__, sys.argv[1:], os.getcwd(), sys.path, dict(os.environ), sys.stdin.read(), mask, ignored,
                  resource.getrlimit(resource.RLIMIT_NOFILE), sys.stderr.line_buffering, sys.stderr.write_through]))
print("partly", end="", file=sys.stderr)
os.write(2, b"first ")
Path("parent").write_text(str(os.getppid()))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A template that these tests share, and the folder of its socket."""
    with pytest.MonkeyPatch.context() as patch, small_template(patch) as folder:
        log = tmp_path_factory.mktemp("shared") / "log"
        assert kernels.start_bound("this", [], log=log, cwd=folder).wait(60) == 0
        yield folder


@pytest.fixture
def front(shared, tmp_path, modules):
    """Starts a program that has its work done by a module."""
    modules(front=FRONT)

    def start(module, *argv, warm=True, wait=30.0, env=(), before="", **options):
        environment = {**os.environ, "LEPTON_WARM": str(int(warm)), **dict(env)}
        environment.pop("PYTHONUNBUFFERED", None)
        words = [sys.executable, "-m", "front", str(wait), module, *argv]
        if before:
            words = ["bash", "-c", f'{before}; exec "$0" "$@"', *words]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(words, cwd=tmp_path, env=environment, text=True, **(pipes | options))

    return start


def test_it_sees_the_same_world_either_way(front, shared, modules, tmp_path):
    modules(about=ABOUT)
    seen, parents = [], []
    for warm in (True, False):
        before = "trap '' HUP INT; umask 027; ulimit -S -n 200"
        program = front(
            "about", "a", "\udcff", warm=warm, env={"COLOUR": "red", "LEPTON_WARM_IDLE": "9"}, before=before
        )
        out, err = program.communicate("typed", timeout=60)
        assert (program.returncode, err) == (0, "first partly")
        seen.append(json.loads(out))
        seen[-1][4].pop("LEPTON_WARM")
        parents.append(int((tmp_path / "parent").read_text()))
    # Imports set some variables more, here as there.
    seen[0][4] = {name: value for name, value in seen[0][4].items() if name in seen[1][4]}
    assert seen[0] == seen[1]
    assert seen[0][5] == "typed"
    assert parents[0] in template_pids(shared)
    assert parents[1] == os.getpid()


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("raise SystemExit('no')", 1),
        ("import os; os.kill(os.getpid(), 11)", -signal.SIGSEGV),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
    ],
)
def test_it_ends_as_the_forked_process_ends(front, modules, source, status):
    modules(ending=source)
    program = front("ending")
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (status, "", "no\n" if "no" in source else "")


def test_what_a_program_has_started_stays_when_it_ends_by_itself(front, modules):
    modules(leaves="import subprocess as s; print(s.Popen(['sleep', '600'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)")
    program = front("leaves")
    left = int(program.communicate(timeout=60)[0])
    assert program.returncode == 0
    time.sleep(0.2)
    assert not gone(left)
    os.kill(left, signal.SIGKILL)


ASLEEP = f"""
{OPEN}
import os, time
print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_a_program_that_is_killed_takes_the_forked_process_along(front, modules):
    modules(asleep=ASLEEP)
    with front("asleep") as program:
        pid = int(program.stdout.readline())
        assert pid != program.pid
        program.kill()
    wait_until(lambda: gone(pid), 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_are_passed_on_and_end_the_program_by_the_same(front, modules, number, request):
    # `nohup` and a shell's `&` have signals ignored by all that is started there; one with a handler is not.
    before = signal.signal(number, lambda *_: None)
    request.addfinalizer(lambda: signal.signal(number, before))
    modules(asleep=ASLEEP)
    with front("asleep") as program:
        pid = int(program.stdout.readline())
        program.send_signal(number)
        err = program.communicate(timeout=60)[1]
    assert program.returncode == -number
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    assert gone(pid)


def test_a_program_that_is_stopped_stops_the_work_and_goes_on_with_it(front, modules):
    modules(asleep=ASLEEP)
    with front("asleep", process_group=0) as program:
        work = psutil.Process(int(program.stdout.readline()))
        os.killpg(program.pid, signal.SIGTSTP)
        ended, status = os.waitpid(program.pid, os.WUNTRACED)
        assert (ended, os.WIFSTOPPED(status), os.WSTOPSIG(status)) == (program.pid, True, signal.SIGTSTP)
        wait_until(lambda: work.status() == psutil.STATUS_STOPPED)
        os.killpg(program.pid, signal.SIGCONT)
        wait_until(lambda: work.status() == psutil.STATUS_SLEEPING)
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == -signal.SIGTERM


SEEN = f"""
import os, signal, sys, time
told = []
def tell(text):
    os.write(1, text)
    told.append(text)
signal.signal(signal.SIGINT, lambda *_: tell(b"interrupt\\n"))
signal.signal(signal.SIGWINCH, lambda *_: tell(b"width %d\\n" % os.get_terminal_size().columns))
{OPEN}
print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdout.line_buffering, os.get_terminal_size().columns)
# Not within `input`: a signal that comes just before it reads again is told when something is typed.
while len(told) < 2:
    time.sleep(0.01)
print("typed", input())
"""


@pytest.mark.parametrize("warm", [True, False])
def test_a_terminal_stays_one_and_its_keys_and_its_width_arrive_once(front, modules, warm):
    modules(seen=SEEN)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 70))
    said = ""

    def until(text):
        nonlocal said
        while text not in said:
            assert select.select([ours], [], [], 60)[0], said
            said += os.read(ours, 4096).decode()

    def own_terminal():
        os.setsid()
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))

    with front("seen", warm=warm, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_terminal) as program:
        os.close(theirs)
        until("True True True 70\r\n")
        os.write(ours, b"\x03")
        until("interrupt\r\n")
        termios.tcsetwinsize(ours, (24, 90))
        until("width 90\r\n")
        os.write(ours, b"abc\n")
        until("typed abc\r\n")
        assert program.wait(60) == 0
    os.close(ours)
    assert said.count("interrupt") == 1


def test_the_status_is_told_though_the_template_was_killed_meanwhile(front, modules, monkeypatch, tmp_path):
    modules(slow="import time; print('here', flush=True); input(); raise SystemExit(7)")
    with small_template(monkeypatch) as folder:
        assert kernels.start_bound("this", [], log=tmp_path / "log", cwd=tmp_path).wait(60) == 0
        program = front("slow")
        assert program.stdout.readline() == "here\n"
        (template,) = template_pids(folder)
        os.kill(template, signal.SIGKILL)
        wait_until(lambda: gone(template))
        program.communicate("\n", timeout=60)
        assert program.returncode == 7


def test_a_template_that_hangs_is_not_waited_for_and_the_work_is_done_once(front, shared, modules, tmp_path):
    modules(once="import os; open('ran', 'a').write(f'{os.getppid()} ')")
    (template,) = template_pids(shared)
    os.kill(template, signal.SIGSTOP)
    try:
        assert front("once", wait=1.0).wait(60) == 0
    finally:
        os.kill(template, signal.SIGCONT)
    # Orders are taken one after the other.
    assert front("once").wait(60) == 0
    assert (tmp_path / "ran").read_text().split() == [str(os.getpid()), str(template)]


@pytest.mark.parametrize(
    ("options", "env", "closed"),
    [
        (["-W", "error"], {}, ""),
        (["-u"], {}, ""),
        ([], {"TQDM_ASCII": "1"}, ""),
        ([], {"XDG_RUNTIME_DIR": "/"}, ""),
        ([], {}, "0<&-"),
    ],
)
def test_where_no_template_fits_the_work_is_done_here_and_nothing_is_started(
    front, shared, modules, tmp_path, options, env, closed
):
    modules(about="import os, pathlib; pathlib.Path('parent').write_text(str(os.getppid()))")
    before = set(shared.rglob("*"))
    words = [sys.executable, *options, "-m", "front", "30", "about"]
    done = subprocess.run(
        ["bash", "-c", f'exec "$0" "$@" {closed}', *words],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "", **env},
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "parent").read_text() == str(os.getpid())
    assert set(shared.rglob("*")) == before


def test_a_folder_of_the_program_that_would_replace_an_imported_module_is_respected(front, modules, tmp_path):
    modules(tell="import tornado; print(tornado.name)")
    # `python -m` looks into the working folder first.
    (tmp_path / "tornado.py").write_text("name = 'mine'\n")
    assert front("tell").communicate(timeout=60)[0] == "mine\n"
