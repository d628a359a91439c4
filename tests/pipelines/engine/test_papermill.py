"""What Papermill does holds under the engine, tried through its command and its function."""

import asyncio
import base64
import datetime as dt
import json
import pathlib
import pickle
import subprocess
import sys

import papermill as library
import pytest
from papermill.iorw import papermill_io

from lepton_nb.errors import UsageError
from lepton_nb.pipelines.engine import LeptonEngine

PARAMETERS = "# parameters\nx = 1\ntext = ''\nitems = []"


def tags(cell):
    return cell["metadata"]["tags"]


def printed(cell):
    return "".join(text for output in cell["outputs"] for text in output.get("text", []))


def test_parameters_are_put_behind_their_cell_and_noted_and_output_goes_where_it_is_asked(papermill, write, tmp_path):
    source = write(PARAMETERS, "import sys\nprint(x, text, items)\nprint('aside', file=sys.stderr)")
    before = source.read_bytes()
    values = ["-p", "x", 5, "-r", "text", "007", "-y", "items: [1.0, true, null, {a: 'it''s'}]"]
    said = papermill(
        source, *values, "--log-output", "--stdout-file", "o.txt", "--stderr-file", "e.txt", to="out-{x}.ipynb"
    )
    assert said.code == 0
    cells = json.loads((tmp_path / "out-5.ipynb").read_text())["cells"]
    assert [tags(cell) for cell in cells] == [["parameters"], ["injected-parameters"], []]
    assert cells[1]["source"][0] == "# Parameters\n"
    expected = "5 007 [1.0, True, None, {'a': \"it's\"}]\n"
    assert printed(cells[2]).startswith(expected)
    assert (tmp_path / "o.txt").read_text() == expected
    assert (tmp_path / "e.txt").read_text() == "aside\n"
    assert expected in said.text
    assert "Executing Cell 2" in said.text
    noted = json.loads((tmp_path / "out-5.ipynb").read_text())["metadata"]["papermill"]
    assert noted["parameters"] == {"x": 5, "text": "007", "items": [1.0, True, None, {"a": "it's"}]}
    assert source.read_bytes() == before


def test_the_progress_bar_goes_over_every_cell(papermill, write):
    said = papermill(write("x = 1", "y = 2", "z = 3"), "--progress-bar")
    assert "Executing: 100%" in said.text
    assert "3/3" in said.text


def test_prepare_only_puts_in_exact_parameters_and_executes_nothing(papermill, write):
    said = papermill(write(PARAMETERS, "1/0"), "--prepare-only", "-r", "text", "\u2028'\"\\")
    assert said.code == 0
    assert [cell["execution_count"] for cell in said.cells] == [77, None, 77]
    names = {}
    exec("".join(said.cells[1]["source"]), names)
    assert names["text"] == "\u2028'\"\\"


def test_report_mode_hides_the_sources(papermill, write):
    said = papermill(write(PARAMETERS, "print(x)"), "--report-mode", "-p", "x", 2)
    assert [cell["metadata"]["jupyter"]["source_hidden"] for cell in said.cells] == [True, True, True]
    assert printed(said.cells[2]) == "2\n"


def test_a_failed_cell_is_marked_and_the_marks_go_when_it_is_executed_again(papermill, write, tmp_path):
    marked = ["papermill-error-cell-tag"]
    first = papermill(write(PARAMETERS, "1/x"), "-p", "x", 0)
    assert first.code == 1
    assert [tags(cell) for cell in first.notebook["cells"]] == [
        marked,
        ["parameters"],
        ["injected-parameters"],
        marked,
        [],
    ]
    again = papermill(first.path, "-p", "x", 1, to="again.ipynb")
    assert again.code == 0
    assert [tags(cell) for cell in again.notebook["cells"]] == [["parameters"], ["injected-parameters"], []]
    assert again.ending["status"] == "completed"


def test_standard_output_is_left_to_papermill(papermill, write):
    said = papermill(write("print('over there')"), to="-")
    assert said.code == 0
    notebook = json.loads(said.text[said.text.index("{\n") :])
    assert notebook["metadata"]["lepton"]["status"] == "completed"


def test_a_parameter_that_is_not_declared_is_refused_and_nothing_is_written(papermill, write, tmp_path):
    (tmp_path / "out.ipynb").write_text("what was there")
    said = papermill(write(PARAMETERS), "-p", "itmes", "1")
    assert said.code == 1
    assert "the notebook has no parameter 'itmes'" in said.text
    assert "did you mean 'items'?" in said.text
    assert said.path.read_text() == "what was there"


def test_a_kernel_of_this_interpreter_is_warm_and_another_is_its_specs_own(papermill, write, tmp_path):
    spec = tmp_path / "jupyter" / "kernels" / "own"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    env = {"MARK": "its own"}
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "own", "language": "python", "env": env})
    )
    cell = "import os, sys\nprint('torch' in sys.modules, os.environ.get('MARK'))"
    path = {"JUPYTER_PATH": str(tmp_path / "jupyter")}
    assert printed(papermill(write(cell), **path).cells[0]) == "True None\n"
    assert printed(papermill(write(cell, kernel="not-installed"), **path).cells[0]) == "True None\n"
    assert printed(papermill(write(cell, kernel="own"), **path).cells[0]) == "False its own\n"


def test_a_kernel_that_does_not_come_up_is_told_within_the_start_timeout(papermill, write, tmp_path):
    spec = tmp_path / "jupyter" / "kernels" / "mute"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["sleep", "60"], "display_name": "mute", "language": "python"})
    )
    path = {"JUPYTER_PATH": str(tmp_path / "jupyter")}
    said = papermill(write("1", kernel="mute"), "--start-timeout", 1, **path)
    assert said.code == 1
    assert said.ending == {
        "status": "timeout",
        "error": "TimeoutError: the kernel was not ready within 1 s",
        "cell": None,
    }
    assert said.states == ["pending"]


def test_the_command_itself_finds_the_engine(write, tmp_path):
    command = [
        pathlib.Path(sys.executable).parent / "papermill",
        "--engine",
        "lepton",
        write("print(6 * 7)"),
        "out.ipynb",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert printed(json.loads((tmp_path / "out.ipynb").read_text())["cells"][0]) == "42\n"


class Elsewhere:
    """A place that is no file of this machine."""

    def __init__(self):
        self.written = {}

    def read(self, path):
        return self.written[path]

    def write(self, text, path):
        self.written[path] = text

    def pretty_path(self, path):
        return path


def test_a_remote_path_is_left_to_its_handler(write, tmp_path, monkeypatch):
    monkeypatch.setattr(papermill_io, "_handlers", list(papermill_io._handlers))
    monkeypatch.chdir(tmp_path)
    place = Elsewhere()
    papermill_io.register("else://", place)
    place.written["else://in.ipynb"] = write("print('far away')").read_text()
    library.execute_notebook("else://in.ipynb", "else://out.ipynb", engine_name="lepton", progress_bar=False)
    done = json.loads(place.written["else://out.ipynb"])
    assert printed(done["cells"][0]) == "far away\n"
    assert done["metadata"]["lepton"]["status"] == "completed"
    assert [path.name for path in tmp_path.iterdir()] == ["in.ipynb"]


VALUES = {
    "text": "'\"\\\n\r\u2028\x00\ud800 {x} %time !ls ?",
    "nested": {"a": [(1, 2.5), {"b": None}], "c": {1, 2}},
    "numbers": [10**5000, -0.0, float("inf")],
    "day": dt.date(2026, 11, 22),
    "moment": dt.datetime(2026, 11, 22, 10, 30, 1, 5, tzinfo=dt.UTC),
    "folder": pathlib.PurePosixPath("/data/it's"),
    "raw": b"\x00\xff",
}


def test_values_reach_a_real_kernel_as_they_were_given_even_where_a_loop_runs(write, tmp_path):
    names = "\n".join(f"{name} = None" for name in VALUES)
    told = "import base64, pickle\nprint(base64.b64encode(pickle.dumps({n: globals()[n] for n in NAMES})).decode())"
    source = write(f"# parameters\n{names}", told.replace("NAMES", repr(list(VALUES))))

    async def in_a_loop():
        return library.execute_notebook(
            source, tmp_path / "out.ipynb", VALUES, engine_name="lepton", progress_bar=False
        )

    done = asyncio.run(in_a_loop())
    assert pickle.loads(base64.b64decode(done.cells[2].outputs[0].text)) == VALUES
    json.loads((tmp_path / "out.ipynb").read_bytes(), parse_constant=pytest.fail)


def test_a_name_is_never_code(write, tmp_path):
    source = write("x = 1")
    with pytest.raises(UsageError, match="no name of Python"):
        library.execute_notebook(source, tmp_path / "out.ipynb", {"x = 1; import os": 1}, engine_name="lepton")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_notebook_without_a_kernel_of_its_own_is_taken_for_python():
    import nbformat

    notebook = nbformat.v4.new_notebook()
    assert LeptonEngine.nb_kernel_name(notebook) == "python3"
    assert LeptonEngine.nb_language(notebook) == "lepton-python"
    notebook.metadata["kernelspec"] = {"name": "ir", "language": "R"}
    assert (LeptonEngine.nb_kernel_name(notebook), LeptonEngine.nb_language(notebook)) == ("ir", "R")
