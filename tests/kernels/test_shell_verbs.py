"""`lepton VERB` says and does the same, whether a running template forked it or not."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import pytest

from lepton_nb import kernels, tracking
from lepton_nb.workspace import Workspace

from .conftest import gone, small_template, wait_until

WHOLE = os.environ["XDG_RUNTIME_DIR"]
# The template writes down what it forks, beside its socket.
NOTED = """
become = template.become
def noted(order, *rest):
    with open(sys.argv[1] + ".forked", "a") as notes:
        print(order.module, *order.argv, file=notes)
    become(order, *rest)
template.become = noted
"""


@pytest.fixture(scope="module")
def template():
    """A running template; the file in which it notes what it forks."""
    with pytest.MonkeyPatch.context() as patch, small_template(patch, NOTED) as folder:
        assert kernels.start_bound("this", [], log=folder / "log", cwd=folder).wait(60) == 0
        (path,) = folder.rglob("*.forked")
        yield path


@pytest.fixture
def notes(template):
    """What the template has forked since it was last asked."""

    def since():
        found = template.read_text().splitlines()
        template.write_text("")
        return [line.removeprefix("lepton_nb.cli.verb ") for line in found]

    since()
    return since


@pytest.fixture
def lepton(tmp_path):
    """Starts verbs."""

    def start(*words, warm=True, program=("-m", "lepton_nb.cli"), **options):
        environment = {**os.environ, "LEPTON_HOME": str(tmp_path / ".lepton"), "LEPTON_WARM_SHELL": str(int(warm))}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            [sys.executable, *program, *words], cwd=tmp_path, env=environment, text=True, **(pipes | options)
        )

    return start


def ended(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("output a=1.5 b=x --json", 0),
        ("deployments", 0),
        ("trian", 2),
        ("output", 2),
        ("monitor", 5),
        ("data load nothing.csv", 1),
    ],
)
def test_a_verb_says_and_returns_the_same_either_way(notes, lepton, tmp_path, words, status):
    seen = []
    for warm in (True, False):
        seen.append(ended(lepton(*words.split(), warm=warm)))
        assert notes() == ([words] if warm else [])
    assert seen[0] == seen[1]
    assert seen[0][0] == status
    assert seen[0][1 if status == 0 else 2]


def test_a_verb_that_needs_the_store_says_the_same_and_imports_nothing(request, lepton, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", WHOLE)
    # Its template has everything imported.
    request.getfixturevalue("kernel")
    ws = Workspace(tmp_path / ".lepton")
    tracking.finish_run(ws, tracking.start_run(ws, "night-shift", {}, {}), "stopped")
    seen, seconds = [], []
    for warm in (True, False):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        seen.append(ended(lepton("runs", "show", "night-shift", warm=warm)))
        seconds.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    assert seen[0] == seen[1]
    assert "night-shift" in seen[0][1]
    assert seconds[0] < seconds[1] / 2


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize(("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (15, 143, "terminated")])
def test_an_interrupt_is_answered_in_one_line(notes, lepton, tmp_path, warm, number, status, word):
    (tmp_path / "slow.py").write_text("import time; print('here', flush=True); time.sleep(600)")
    with lepton("train", "slow:Net", "--data", "none", warm=warm) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        assert ended(process) == (status, "", f"{word}\n")
    assert len(notes()) == warm


@pytest.mark.parametrize("warm", [True, False])
def test_a_verb_that_is_killed_is_over(notes, lepton, tmp_path, warm):
    (tmp_path / "slow.py").write_text("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    with lepton("train", "slow:Net", "--data", "none", warm=warm) as process:
        pid = int(process.stdout.readline())
        assert (pid != process.pid) == warm
        process.kill()
    wait_until(lambda: gone(pid), 10)


@pytest.mark.parametrize("warm", [True, False])
def test_a_reader_that_has_seen_enough_is_no_failure(notes, lepton, warm):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        process = lepton("output", "a=1", warm=warm, stdout=closed)
    assert ended(process) == (0, None, "")
    assert len(notes()) == warm


@pytest.mark.parametrize("warm", [True, False])
def test_what_is_typed_or_piped_reaches_the_verb(notes, lepton, tmp_path, warm):
    (tmp_path / "asks.py").write_text("import sys; raise SystemExit(sys.stdin.read())")
    process = lepton("train", "asks:Net", "--data", "none", warm=warm)
    assert process.communicate("no\n", timeout=60) == ("", "no\n\n")
    assert process.returncode == 1
    assert len(notes()) == warm


STALE = "from lepton_nb.kernels import place; place._site_folders = lambda: ('site',)\n"
MAIN = "from lepton_nb.cli import main; main()"


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["--help"], ("-m", "lepton_nb.cli")),
        (["runs", "--help"], ("-m", "lepton_nb.cli")),
        (["data", "load", "/dev/fd/0"], ("-m", "lepton_nb.cli")),
        (["output", "a=1"], ("-c", STALE + MAIN)),
        (["output", "a=1"], ("-W", "error::SyntaxWarning", "-m", "lepton_nb.cli")),
    ],
)
def test_what_is_light_or_has_no_template_of_its_own_is_not_forked(notes, lepton, tmp_path, words, program):
    (tmp_path / "site").mkdir()
    status, out, err = ended(lepton(*words, program=program, stdin=subprocess.DEVNULL))
    assert (status, bool(out), bool(err)) == ((1, False, True) if "data" in words else (0, True, False))
    assert notes() == []
