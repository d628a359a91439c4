"""A secret reaches the kernel, and nothing that is written."""

import pytest

from lepton_nb import pipelines
from lepton_nb.errors import PipelineError
from lepton_nb.workspace import Workspace

# Twice a prime, so that no pattern of the test's own makes it; quotes and a line's end, so that it is escaped.
CANARY = "c4nary-7f3'\"&-\\9e1"
CORE = b"c4nary-7f3"

CELLS = [
    "# parameters\ntoken = ''\nnested = {}",
    (
        "import logging, os, sys, time, warnings\n"
        "assert token.startswith('c4' + 'nary-7f3') and nested['keys'] == [token]\n"
        "print('printed', token, repr(token), nested)\n"
        "logging.getLogger('cell').warning('logged %s', token)\n"
        "warnings.warn(token)\n"
        "for letter in token:\n    print(letter, end='', flush=True)\n    time.sleep(0.02)\n"
        "os.write(1, token.encode())"
    ),
    (
        "from IPython.display import HTML, display\nimport html\n"
        "display(HTML(f'<b>{html.escape(token)}</b>'), display_id='shown').update({'text/plain': token}, raw=True)\n"
        "nested"
    ),
    (
        "from lepton_nb import tracking, workspace\n"
        "ws = workspace.current()\n"
        "run = tracking.start_run(ws, f'run {token}', {'token': token}, {'note': token})\n"
        "tracking.set_tags(ws, run, {'later': token})\n"
        "tracking.finish_run(ws, run, 'failed', f'because of {token}')"
    ),
    (
        "from lepton_nb.pipelines import record_output\n"
        "try:\n    record_output('token', token)\nexcept Exception as error:\n    print('refused:', error)"
    ),
    "raise ValueError(f'refused {token}')",
]
SECRETS = {"token": "secret:LEPTON_CANARY", "nested": {"keys": ["secret:LEPTON_CANARY"]}}


def leaks(folder):
    return [file for file in folder.rglob("*") if file.is_file() and CORE in file.read_bytes()]


def test_the_command_writes_no_secret(papermill, write, tmp_path):
    options = ["-y", f"{{token: {SECRETS['token']}, nested: {SECRETS['nested']}}}"]
    options += ["--log-output", "--stdout-file", "said.txt", "--stderr-file", "aside.txt"]
    home = {"LEPTON_CANARY": CANARY, "LEPTON_HOME": str(tmp_path / ".lepton")}
    said = papermill(write(*CELLS), *options, **home)
    assert said.states[-1] == "failed", said.text
    assert said.ending["error"] == "ValueError: refused [secret:LEPTON_CANARY]"
    assert said.ending["cell"] == len(CELLS) + 1
    assert "printed [secret:LEPTON_CANARY]" in (tmp_path / "said.txt").read_text()
    assert "refused: output 'token' holds a secret" in (tmp_path / "said.txt").read_text()
    assert (tmp_path / ".lepton" / "mlflow.db").stat().st_size
    assert said.notebook["metadata"]["papermill"]["parameters"] == SECRETS
    assert leaks(tmp_path) == []


def test_a_pipeline_writes_no_secret(notebook, pipeline, ws, tmp_path, monkeypatch):
    monkeypatch.setenv("LEPTON_CANARY", CANARY)
    crash = "import os\nos.system('echo crash ' + repr(token))\nos._exit(1)"
    notebook("uses", *CELLS[:-1])
    notebook("raises", CELLS[0], CELLS[-1])
    notebook("dies", CELLS[0], crash)
    parameters = "{token: 'secret:LEPTON_CANARY', nested: {keys: ['secret:LEPTON_CANARY']}}"
    steps = "\n".join(
        f"  {name}: {{notebook: {name}.ipynb, parameters: {parameters}}}" for name in ("uses", "raises", "dies")
    )
    with pytest.raises(PipelineError) as caught:
        pipelines.run(ws, pipeline(f"steps:\n{steps}\n"))
    assert CORE.decode() not in str(caught.value)
    done = {step.name: step for step in pipelines.status(Workspace(ws.home)).steps}
    assert [done[name].status for name in ("uses", "raises", "dies")] == ["completed", "failed", "kernel_died"]
    assert done["raises"].error == "ValueError: refused [secret:LEPTON_CANARY]"
    assert leaks(tmp_path) == []


def test_a_secret_that_is_not_there_is_named_before_anything_is_executed(papermill, write, monkeypatch):
    said = papermill(write(CELLS[0], "never()"), "-r", "token", "secret:NO_SUCH_SECRET")
    assert said.code == 1
    assert "no secret NO_SUCH_SECRET; expected the environment variable NO_SUCH_SECRET" in said.text
    assert not said.path.exists()


def test_a_notebook_in_another_language_cannot_take_one(papermill, write):
    said = papermill(write("x <- 1", kernel="ir", language="R"), "-r", "token", "secret:HOME")
    assert said.code == 1
    assert "a notebook in R cannot take a secret" in said.text
