"""What Tab offers after a verb, asked of IPython's own completer and of click's for a shell."""

import json
import os
import subprocess
import sys

import click
import numpy as np
import pandas as pd
import pytest
from click.shell_completion import ShellComplete
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from lepton_nb import models, processes, tracking
from lepton_nb.commands import VERBS, root
from lepton_nb.commands.candidates import _SHIPPED, _SOURCES, candidates
from lepton_nb.data import is_builtin, load
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def shell(ws):
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "lepton_nb")
    return shell


@pytest.fixture
def two_runs(ws):
    ids = {name: tracking.start_run(ws, name, {}, {}) for name in ("older", "newer-1")}
    tracking.finish_run(ws, ids["older"], "finished")
    return ids


def offered(shell, line):
    """The whole words that Tab would leave where the last one stands, in their order."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(line, len(line)))
    return [line[: one.start].split(" ")[-1] + one.text for one in found]


def values(shell, line):
    return [word for word in offered(shell, line) if not word.startswith("-")]


@pytest.mark.parametrize(
    "verb", ["runs show", "runs delete", "runs compare", "evaluate", "r = %lepton evaluate --part test"]
)
def test_a_verb_that_takes_a_run_offers_their_names_newest_first(verb, shell, two_runs) -> None:
    line = verb if "%" in verb else f"%lepton {verb}"
    assert values(shell, f"{line} ") == ["newer-1", "older", "last"]
    assert values(shell, f"{line} newer-") == ["newer-1"]


def test_package_offers_runs_and_the_verb_below_it(shell, two_runs) -> None:
    assert values(shell, "%lepton package ") == ["newer-1", "older", "last", "import"]
    assert values(shell, "%lepton package im") == ["import"]


def test_an_id_is_offered_when_a_part_of_it_was_typed(shell, two_runs) -> None:
    run_id = two_runs["older"]
    assert run_id[:8] in values(shell, f"%lepton runs show {run_id[:3]}")
    assert run_id[:12] in values(shell, f"%lepton runs show {run_id[:12]}")


def test_a_run_that_is_named_already_is_not_offered_again(shell, two_runs) -> None:
    assert values(shell, "%lepton runs compare newer-1 ") == ["older", "last"]
    assert values(shell, "%lepton runs show newer-1 ") == []


def test_a_variable_that_holds_a_run_is_offered(shell, two_runs, ws) -> None:
    shell.user_ns |= {"best": tracking.get(ws, "older"), "_": tracking.get(ws, "older"), "text": "older"}
    assert values(shell, "%lepton evaluate ") == ["newer-1", "older", "last", "best"]


def test_stop_offers_what_runs(shell, two_runs, ws) -> None:
    assert values(shell, "%lepton stop ") == ["newer-1", "older"]
    gone = processes.Identity(os.getpid(), 1.0)
    (ws.run(two_runs["older"]) / "process.json").write_text(
        json.dumps({"format": 1, "pid": gone.pid, "started": gone.started})
    )
    assert values(shell, "%lepton stop ") == ["newer-1"]


@pytest.mark.parametrize("verb", ["load", "check", "profile"])
def test_a_verb_that_takes_a_source_offers_data(verb, shell, ws) -> None:
    load(ws, "iris", name="flowers")
    assert values(shell, f"%lepton data {verb} ")[:2] == ["flowers", "breast_cancer"]
    assert values(shell, f"%lepton data {verb} flowers ") == []


@pytest.mark.parametrize("line", ["%lepton evaluate --data ", "%lepton evaluate last --part test --data="])
def test_data_is_offered_by_name_and_by_variable(line, shell, ws) -> None:
    from torch.utils.data import DataLoader

    load(ws, "iris", name="flowers")
    shell.user_ns |= {
        "frame": pd.DataFrame({"a": [1]}),
        "pair": (np.zeros(2), np.zeros(2)),
        "loader": DataLoader([1, 2]),
        "DataLoader": DataLoader,
        "number": 5,
        "series": pd.Series([1]),
    }
    flag = line.split(" ")[-1]
    words = [word.removeprefix(flag) for word in offered(shell, line)]
    assert words[0] == "flowers"
    assert {"digits", "frame", "pair", "loader"} <= set(words)
    assert not {"DataLoader", "number", "series"} & set(words)
    assert offered(shell, f"{line}flo") == [f"{flag}flowers"]


def test_networks_and_callbacks_are_offered_with_the_notebooks_own(shell) -> None:
    from lightning.pytorch import Callback, LightningModule
    from lightning.pytorch.callbacks import EarlyStopping

    class Net(LightningModule):
        pass

    shell.user_ns |= {
        "Net": Net, "net": Net(), "LightningModule": LightningModule, "EarlyStopping": EarlyStopping,
        "patience": EarlyStopping("val_loss"), "Callback": Callback,
    }  # fmt: skip
    from lepton_nb.commands import hosted
    from lepton_nb.magics.magic import NotebookHost

    with hosted(NotebookHost(shell)):
        assert candidates("network", "") == [*models.names(), "Net", "net"]
        assert candidates("network", "N") == ["Net"]
        assert candidates("callback", "") == ["EarlyStopping", "patience"]


def test_no_code_of_a_variable_is_run(shell, two_runs) -> None:
    class Touchy:
        def __getattribute__(self, name):
            raise AssertionError(name)

    shell.user_ns["touchy"] = Touchy()
    assert values(shell, "%lepton runs show ") == ["newer-1", "older", "last"]
    assert "touchy" not in offered(shell, "%lepton evaluate --data ")


BROKEN = {
    "runs/aa/tracking.json": [
        "",
        "[]",
        "{",
        '{"format": 1}',
        '{"format": 99}',
        "[" * 5000,
        '{"format": 1, "created": 1}',
    ],
    "data/aa/meta.json": ["", "[]", "{", '{"names": 3}', '{"names": {"a b": 1, "c": "x"}}', "[" * 5000],
}


@pytest.mark.parametrize(("path", "text"), [(path, text) for path, texts in BROKEN.items() for text in texts])
def test_a_broken_folder_hides_no_other(path, text, shell, two_runs, ws) -> None:
    load(ws, "iris", name="flowers")
    (ws.home / path).parent.mkdir(parents=True)
    (ws.home / path).write_text(text)
    assert values(shell, "%lepton runs show ") == ["newer-1", "older", "last"]
    assert values(shell, "%lepton evaluate --data ")[:2] == ["flowers", "breast_cancer"]


def test_without_a_workspace_little_is_offered_and_nothing_is_made(shell, ws) -> None:
    assert values(shell, "%lepton runs show ") == []
    assert "digits" in values(shell, "%lepton evaluate --data ")
    assert not ws.home.exists()


def test_where_nothing_fits_other_completers_are_asked(shell, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a\n")
    assert "rows.csv" in offered(shell, "%lepton evaluate --data row")


def test_options_come_after_what_is_meant(shell, two_runs) -> None:
    words = offered(shell, "%lepton evaluate ")
    assert words.index("last") < words.index("--part")
    assert offered(shell, "%lepton evaluate --pa") == ["--part"]
    assert offered(shell, "%lepton evaluate --part v") == ["validation"]


def test_every_kind_that_a_verb_declares_is_known_and_every_shipped_name_is_data(ws) -> None:
    for path in VERBS:
        command, context = root(), click.Context(root())
        for word in path.split():
            command = command.get_command(context, word)
        for param in command.params:
            assert isinstance(param.shell_complete(context, "x"), list)
    assert all(is_builtin(name) for name in _SHIPPED)
    assert all(candidates(kind, "") is not None for kind in _SOURCES)


def test_a_shell_is_offered_the_same(two_runs) -> None:
    shell = ShellComplete(root(), {}, "lepton", "_LEPTON_COMPLETE")
    assert [item.value for item in shell.get_completions(["runs", "show"], "")] == ["newer-1", "older", "last"]
    assert [item.value for item in shell.get_completions(["evaluate", "--data"], "di")] == ["digits"]


def test_no_server_is_asked_and_nothing_heavy_is_imported(two_runs, monkeypatch) -> None:
    heavy = (
        "torch",
        "lightning",
        "pytorch_lightning",
        "mlflow",
        "bentoml",
        "sklearn",
        "pandas",
        "pyarrow",
        "matplotlib",
    )
    code = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "from IPython.core.completer import provisionalcompleter\n"
        "ip = InteractiveShell()\nip.run_line_magic('load_ext', 'lepton_nb')\nwords = []\n"
        "with provisionalcompleter():\n"
        "    for line in ('%lepton runs show ', '%lepton train ', '%lepton evaluate --data ', '%lepton stop '):\n"
        "        words += [one.text for one in ip.Completer.completions(line, len(line))]\n"
        f"print('older' in words, 'cnn' in words, 'digits' in words, sorted(set({heavy!r}) & set(sys.modules)))"
    )
    # Nothing listens there, and an answer would take its time.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True True []"
