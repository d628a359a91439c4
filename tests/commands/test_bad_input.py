"""Bad input: one line that names the thing and the next step, and nothing on disk has changed."""

import socket
import textwrap

import pytest

from lepton_nb.commands import invoke
from lepton_nb.errors import LeptonError

CSV = {
    "empty.csv": "",
    "header.csv": "a,b,y\n",
    "ragged.csv": "a,b,y\n1,2,0\n3,4,1\n5,6,7,8\n",
    "no_target.csv": "a,b\n1,2\n3,4\n",
    "labels.csv": "a,y\n" + "".join(f"{i},{'' if i % 7 == 3 else i % 2}\n" for i in range(40)),
    "one_class.csv": "a,y\n" + "".join(f"{i},1\n" for i in range(40)),
    "plain.csv": "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)),
    "twice.csv": "a,a,y\n" + "".join(f"{i},{i},{i % 2}\n" for i in range(40)),
}
NOTEBOOK = (
    '{"cells": [{"cell_type": "code", "id": "p", "metadata": {"tags": ["parameters"]}, "source": "known = 1",'
    ' "outputs": [], "execution_count": null}], "metadata": {"kernelspec": {"name": "python3", "display_name": "p"}},'
    ' "nbformat": 4, "nbformat_minor": 5}'
)
PIPELINES = {
    "cycle.yml": "steps: {one: {notebook: n.ipynb, needs: [two]}, two: {notebook: n.ipynb, needs: [one]}}",
    "duplicate.yml": "steps:\n  one: {notebook: n.ipynb}\n  one: {notebook: n.ipynb}\n",
    "missing.yml": "steps: {one: {notebook: nowhere.ipynb}}",
    "undeclared.yml": "steps: {one: {notebook: n.ipynb, parameters: {unknown: 1}}}",
}
CASES = [
    ("data load nothing.csv --target y", "NotFoundError", ["nothing.csv"]),
    ("data load empty.csv --target y", "DataError", ["empty.csv", "empty"]),
    ("data load header.csv --target y", "DataError", ["header.csv"]),
    ("data load ragged.csv --target y", "DataError", ["ragged.csv", "line 4", "3", "4"]),
    ("data load no_target.csv --target y", "NotFoundError", ["'y'", "a, b"]),
    ("data load no_target.csv", "DataError", ["target"]),
    ("data load labels.csv --target y", "DataError", ["'y'", "6"]),
    ("data load one_class.csv --target y", "DataError", ["'y'", "class"]),
    ("data load twice.csv --target y", "DataError", ["'a'"]),
    ("data load nothing_builtin", "NotFoundError", ["nothing_builtin", "digits"]),
    ("train cnn --data nothing.csv --target y", "NotFoundError", ["nothing.csv"]),
    ("train mlp --data plain.csv --target y --epochs 0", "UsageError", ["epochs 0", "from 1"]),
    ("train mlp --data plain.csv --target y --lr -1", "UsageError", ["lr -1", "above 0"]),
    ("train mlp --data plain.csv --target y --net nope=1", "UsageError", ["'nope'", "hidden"]),
    ("train mlp --data plain.csv --target y --net hidden=-1", "UsageError", ["hidden -1", "list"]),
    ("train mlp --data plain.csv --target y --net hidden=[[[", "UsageError", ["hidden '[[['", "list"]),
    ("train resnet --data digits", "NotFoundError", ["resnet", "cnn", "mlp"]),
    ("pipeline run cycle.yml", "PipelineError", ["one", "two", "cycle"]),
    ("pipeline run duplicate.yml", "PipelineError", ["one"]),
    ("pipeline run missing.yml", "NotFoundError", ["nowhere.ipynb"]),
    ("pipeline run undeclared.yml", "PipelineError", ["unknown", "known"]),
    ("pipeline run nothing.yml", "NotFoundError", ["nothing.yml"]),
    ("runs show nothing", "NotFoundError", ["nothing"]),
    ("evaluate nothing", "NotFoundError", ["nothing"]),
    ("package nothing", "NotFoundError", ["nothing"]),
    ("serve nothing", "NotFoundError", ["nothing"]),
    ("monitor nothing", "NotFoundError", ["nothing"]),
    ("stop nothing", "NotFoundError", ["nothing"]),
    ("predict nothing --data no_target.csv", "NotFoundError", ["nothing"]),
    ("monitor ../up", "UsageError", ["'../up'", "a-z"]),
    ("runs show ../up", "NotFoundError", ["../up"]),
    ("monitor nothing --since soon", "UsageError", ["soon", "24h"]),
    ("dashboard nothing", "NotFoundError", ["nothing", "deployment, fleet, pipelines, training"]),
    ("dashboard fleet --since 3h", "UsageError", ["3h", "24h"]),
    ("dashboard fleet --export none/page.html", "NotFoundError", ["none", "mkdir"]),
    ("dashboard ../fleet --export page.html", "UsageError", ["'../fleet'", "a-z"]),
]


def snapshot(folder):
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a store that exists, so that what a verb adds to it is seen."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in {**CSV, **PIPELINES, "n.ipynb": NOTEBOOK}.items():
        (folder / name).write_text(textwrap.dedent(text))
    from lepton_nb import tracking
    from lepton_nb.workspace import Workspace

    tracking.create(Workspace(folder / ".lepton"))
    return folder


@pytest.fixture
def told(project, monkeypatch, fake_host):
    """Runs a verb that must fail, and gives its error once the disk was found unchanged."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("LEPTON_HOME", str(project / ".lepton"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(words, **variables):
        before = snapshot(project)
        with pytest.raises(LeptonError) as caught:
            invoke(words, fake_host(**variables))
        assert "\n" not in str(caught.value)
        after = snapshot(project)
        assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == set()
        return caught.value

    return run


@pytest.mark.parametrize(("line", "kind", "named"), CASES, ids=[case[0] for case in CASES])
def test_bad_input_is_named_and_changes_nothing(line, kind, named, told) -> None:
    error = told(line.split())
    assert type(error).__name__ == kind, error
    for part in named:
        assert part in str(error)


def test_a_name_that_leaves_the_workspace_is_refused_by_every_verb_that_takes_one(told) -> None:
    for words in (
        ["data", "load", "digits", "--name", "../up"],
        ["train", "cnn", "--data", "digits", "--name", "../up"],
    ):
        assert type(told(words)).__name__ == "UsageError"


def test_a_port_in_use_is_reported_with_its_process(told, packaged, project, monkeypatch) -> None:
    bento = packaged("breast_cancer")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        error = told(["serve", "model", "--port", str(held.getsockname()[1])], model=bento)
    assert type(error).__name__ == "ConflictError"
    assert "pid" in str(error)


def test_a_variable_that_is_no_data_is_refused(told) -> None:
    error = told(["data", "load", "thing"], thing=42)
    assert type(error).__name__ == "UsageError"
    assert "DataFrame" in str(error)


def test_a_network_that_is_no_lightning_module_is_refused(told) -> None:
    error = told(["train", "net", "--data", "digits"], net=dict)
    assert "LightningModule" in str(error)
