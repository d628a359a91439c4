"""The executed notebook is on disk while it is executed, and whole whenever anybody looks."""

import json
import os
import random
import stat
import time

import nbformat
import pytest

from ..conftest import until


def read(path):
    """The notebook, which must be one at every moment from its first on."""
    return nbformat.read(path, as_version=4) if path.exists() else None


def test_what_a_long_cell_prints_is_on_disk_while_it_runs(papermill, write, tmp_path):
    source = write("x = 1", "import time\nfor i in range(600):\n    print('tick', i, flush=True)\n    time.sleep(0.1)")
    papermill.start(source, "out.ipynb")

    def seen():
        notebook = read(tmp_path / "out.ipynb")
        return notebook and "tick 20" in json.dumps(notebook.cells[1].outputs) and notebook

    notebook = until(seen)
    assert notebook.metadata.lepton.status == "running"
    assert [cell.metadata.papermill.status for cell in notebook.cells] == ["completed", "running"]


def test_an_output_is_not_written_at_every_cell(papermill, write, tmp_path):
    source = write(*["x = 1"] * 30)
    command = papermill.start(source, "out.ipynb")
    files = set()
    while command.poll() is None:
        if (tmp_path / "out.ipynb").exists():
            files.add((tmp_path / "out.ipynb").stat().st_ino)
        time.sleep(0.001)
    # At its start, by the clock, at its end; Papermill by itself writes it 62 times.
    assert len(files) < 20


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.nightly)])
def test_a_kill_at_any_moment_leaves_a_readable_notebook(papermill, write, tmp_path, kills):
    source = write(*["print('x' * 4_000_000)"] * 12)
    chance = random.Random(5)
    path = tmp_path / "out.ipynb"
    for _ in range(kills):
        path.unlink(missing_ok=True)
        command = papermill.start(source, "out.ipynb")
        until(path.exists)
        command.wait(chance.uniform(0, 2))
        command.kill()
        assert read(path).metadata.lepton.status in ("running", "completed")


def test_a_link_is_followed_and_rights_are_kept(papermill, write, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "real.ipynb"
    real.write_text("{}")
    real.chmod(0o640)
    (tmp_path / "out.ipynb").symlink_to(real)
    assert papermill(write("print('x')")).ending["status"] == "completed"
    assert (tmp_path / "out.ipynb").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert read(real).metadata.lepton.status == "completed"


def test_a_relative_path_means_the_folder_of_the_command_and_a_file_is_replaced_once_when_asked(
    papermill, write, tmp_path
):
    (tmp_path / "work").mkdir()
    (tmp_path / "out.ipynb").write_text("before")
    held = os.open(tmp_path / "out.ipynb", os.O_RDONLY)
    said = papermill(write("import os\nprint(os.getcwd())"), "--cwd", "work", "--no-request-save-on-cell-execute")
    assert said.notebook["cells"][0]["outputs"][0]["text"] == [f"{tmp_path / 'work'}\n"]
    assert os.read(held, 100) == b"before"
    os.close(held)


def test_a_folder_that_is_not_there_is_papermills_error(papermill, write, tmp_path):
    said = papermill(write("x = 1"), to="nowhere/out.ipynb")
    assert said.code == 1
    assert "output folder nowhere doesn't exist" in said.text


def test_text_that_is_half_a_character_can_be_saved(papermill, write, tmp_path):
    said = papermill(write("print('ok')\n'\\ud800'"), "-r", "PAPERMILL_INPUT_PATH", os.fsdecode(b"\xff"))
    assert said.ending["status"] == "completed"
    assert read(said.path)


def test_a_large_notebook_is_at_most_two_seconds_behind_and_a_remote_one_is_sent_rarely(tmp_path):
    from papermill.iorw import papermill_io

    from lepton_nb.pipelines.engine.book import Book

    class Afar:
        """A store that takes its time."""

    papermill_io.register("afar://", Afar())
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {}})
    here = Book(notebook, str(tmp_path / "out.ipynb"), 30, progress_bar=False)
    for took in (0.001, 0.1, 0.5, 0.8):
        assert 0.2 <= here._pause(took) <= 2 - 2 * took
    assert here._pause(8) >= 2
    afar = Book(notebook, "afar://out.ipynb", 30, progress_bar=False)
    assert (afar._pause(1), afar._pause(20)) == (30, 60)


def test_what_is_saved_is_the_notebook_as_it_was_then():
    from lepton_nb.pipelines.engine.saving import picture

    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text="a")])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"deep": [1, {"x": 2}]}})
    before, taken = nbformat.writes(notebook), picture(notebook)
    assert taken == notebook
    cell.outputs[0].text += "b"
    cell.outputs.append(nbformat.v4.new_output("stream", text="c"))
    notebook.metadata.papermill["deep"][1]["x"] = 3
    assert nbformat.writes(taken) == before != nbformat.writes(notebook)
