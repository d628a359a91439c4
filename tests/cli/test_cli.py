"""The shell command, as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def lepton(tmp_path):
    def run(*words, **env):
        environment = {**os.environ, "LEPTON_HOME": str(tmp_path / ".lepton"), **env}
        command = [sys.executable, "-m", "lepton_nb.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)

    return run


def test_a_result_is_text_on_standard_output(lepton) -> None:
    done = lepton("output", "a=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a  1" in done.stdout


def test_json_is_one_object(lepton) -> None:
    assert json.loads(lepton("output", "a=1.5", "--json").stdout) == {"values": [["a", 1.5]], "recorded": False}


def test_wrong_words_exit_with_two_and_one_line(lepton) -> None:
    done = lepton("trian")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "UsageError: No such command 'trian'. Did you mean 'train'?; next: lepton --help"
    ]


def test_a_failure_exits_with_one_and_one_line(lepton) -> None:
    done = lepton("data", "load", "nothing.csv")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "NotFoundError" in done.stderr
    assert "nothing.csv" in done.stderr


def test_a_failing_verb_leaves_no_workspace_behind(lepton, tmp_path) -> None:
    for words in (["data", "load", "nothing.csv"], ["train", "cnn", "--data", "nothing"], ["runs", "show", "nothing"]):
        assert lepton(*words).returncode == 1
    assert not (tmp_path / ".lepton" / "data").exists()


def test_a_closed_pipe_is_no_traceback(tmp_path) -> None:
    command = f"{sys.executable} -m lepton_nb.cli --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in done.stderr


def test_a_workspace_that_is_a_file_is_one_line(lepton, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    done = lepton("data", "load", "digits", LEPTON_HOME=str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("StorageError: ")
    assert str(tmp_path / "file") in done.stderr


def test_a_package_that_is_not_there_is_one_line_that_names_what_installs_it(lepton, tmp_path) -> None:
    # A module of that name in the folder, which fails as an absent one does.
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError(\"No module named 'sklearn'\", name='sklearn')")
    done = lepton("data", "load", "digits")
    assert done.returncode == 1
    assert done.stderr == "MissingError: scikit-learn is not installed; next: pip install scikit-learn\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_standard_output_on_a_full_disk_is_one_line(tmp_path) -> None:
    command = f"{sys.executable} -m lepton_nb.cli output a=1 > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "StorageError: standard output: No space left on device; next: write it elsewhere"
    ]


def test_an_interrupt_while_it_still_imports_is_one_line(tmp_path) -> None:
    # The first module of the verbs that is looked for waits for the interrupt.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Early:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'lepton_nb.commands':\n"
        "            os.kill(os.getpid(), getattr(signal, os.environ['EARLY']))\n"
        "sys.meta_path.insert(0, Early())\n"
    )
    for kind, line, code in (("SIGINT", "interrupted\n", 130), ("SIGTERM", "terminated\n", 143)):
        environment = {**os.environ, "EARLY": kind, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "lepton_nb.cli", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", line)


def test_what_is_to_be_done_at_exit_is_done_and_the_status_stays(tmp_path) -> None:
    # What a verb may leave behind: something registered, and a thread that outlives the main one.
    code = (
        "import atexit, sys, threading\n"
        "from lepton_nb.commands import tree\n"
        "if sys.argv.pop(1) == 'before': atexit.register(print, 'early')\n"
        "root = tree.root\n"
        "def rooted():\n"
        "    atexit.register(print, 'at exit', flush=True)\n"
        "    threading.Thread(target=lambda: (threading.main_thread().join(), print('thread'))).start()\n"
        "    return root()\n"
        "tree.root = rooted\n"
        "from lepton_nb.cli import main\n"
        "sys.exit(main())\n"
    )
    for when, early in (("before", ["early"]), ("after", [])):
        for words, told, status in ((["output", "a=1"], ["a  1"], 0), (["trian"], [], 2)):
            environment = {**os.environ, "LEPTON_HOME": str(tmp_path / ".lepton"), "LEPTON_WARM_SHELL": "0"}
            command = [sys.executable, "-c", code, when, *words]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
            assert done.returncode == status
            lines = done.stdout.splitlines()
            assert lines[len(lines) - 2 - len(early) :] == ["thread", "at exit", *early]
            assert set(told) <= {" ".join(line.split(" ")) for line in lines}


def test_tab_in_a_shell_offers_verbs_and_the_names_of_runs(tmp_path) -> None:
    from lepton_nb import tracking
    from lepton_nb.workspace import Workspace

    ws = Workspace(tmp_path / ".lepton")
    tracking.finish_run(ws, tracking.start_run(ws, "night-shift", {}, {}), "stopped")

    def offered(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_LEPTON_COMPLETE": "bash_complete"}
        environment = {**os.environ, **words, "LEPTON_HOME": str(ws.home)}
        command = [sys.executable, "-m", "lepton_nb.cli"]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.split()

    assert offered("lepton att") == ["plain,attach"]
    assert offered("lepton resume ni") == ["plain,night-shift"]


def test_a_verdict_is_the_exit_status_though_nobody_reads_it(logged) -> None:
    one = logged()
    one.record("failed", cause="it broke")
    environment = {**os.environ, "LEPTON_HOME": str(one.ws.home)}
    command = [sys.executable, "-m", "lepton_nb.cli", "monitor", one.name]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (3, b"")


def test_a_pipe_that_closes_before_there_is_a_verdict_is_none(monkeypatch) -> None:
    from lepton_nb import commands
    from lepton_nb.cli import main

    def closes(*_):
        raise BrokenPipeError

    monkeypatch.setattr(commands, "invoke", closes)
    monkeypatch.setattr(sys.modules[main.__module__], "_mute", lambda: None)
    with pytest.raises(SystemExit) as end:
        main(["monitor", "demo"])
    assert end.value.code == 4
    main(["runs"])
