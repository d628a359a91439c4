"""What is drawn where: lines where a log is kept, a bar where a person looks, a widget in a notebook."""

import io

import pytest

from lepton_nb.commands import Progress
from lepton_nb.records import Epoch, Failed, Finished, Note, Started
from lepton_nb.records import Progress as Done


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def told():
    """Draws events on a stream and gives what it holds then."""

    def run(stream, *events):
        progress = Progress(stream)
        for event in events:
            progress.show(event)
        return stream.getvalue()

    return run


def parts(count, total=None):
    return [Done(0.0, done, total or count, f"part {done}") for done in range(1, count + 1)]


def test_a_log_gets_a_line_per_epoch_which_marks_the_best(told) -> None:
    epochs = [
        Epoch(0.0, 0, 10, {"val_loss": 0.51234, "val_accuracy": 0.75}, best=True),
        Epoch(0.0, 1, 20, {"val_loss": 1234567.0}, best=False),
    ]
    assert told(io.StringIO(), Started(0.0, "train", 2000), *epochs, Finished(0.0)) == (
        "epoch 1  val_loss 0.5123  val_accuracy 0.75  (best)\nepoch 2  val_loss 1.235e+06\n"
    )


def test_a_log_gets_a_line_for_each_of_few_parts(told) -> None:
    text = told(io.StringIO(), Started(0.0, "package", 2), *parts(2), Finished(0.0))
    assert text == "package: 1/2 part 1\npackage: 2/2 part 2\n"


def test_a_part_that_is_told_twice_is_written_once(told) -> None:
    again = [Done(0.0, 1, 3), Done(0.0, 1, 3, "still"), Done(0.0, 0, 3), Done(0.0, 3, 3)]
    assert told(io.StringIO(), Started(0.0, "steps", 3), *again) == "steps: 1/3\nsteps: 3/3\n"


def test_a_log_gets_nothing_for_many_parts_or_for_an_unknown_number(told) -> None:
    assert told(io.StringIO(), Started(0.0, "train", 101), *parts(101), Finished(0.0)) == ""
    assert told(io.StringIO(), Started(0.0, "train", 100), *parts(1, 100)) == "train: 1/100 part 1\n"
    assert told(io.StringIO(), Started(0.0, "wait"), Done(0.0, 5, 0, "on"), Failed(0.0, "ValueError", "bad")) == ""


def test_each_piece_of_work_is_written_under_its_own_title(told) -> None:
    events = [Started(0.0, "one", 2), *parts(2), Finished(0.0), Started(0.0, "two"), *parts(1)]
    assert told(io.StringIO(), *events).splitlines()[-1] == "two: 1/1 part 1"


def test_a_note_is_a_line_everywhere(told) -> None:
    assert told(io.StringIO(), Note(0.0, "stopping")) == "stopping\n"
    assert "\rstopping\n" in told(Terminal(), Started(0.0, "train", 5), Note(0.0, "stopping"), Finished(0.0))


def test_a_terminal_gets_one_bar_and_no_lines_of_parts(told) -> None:
    text = told(Terminal(), Started(0.0, "package", 4), *parts(4), Finished(0.0))
    assert text.count("\n") == 1
    assert text.endswith("\n")
    last = text.rstrip("\n").split("\r")[-1]
    assert last.startswith("package: 100%")
    assert "4/4" in last
    assert "part 4" in last
    assert "package: 1/4" not in text


def test_a_terminal_keeps_a_line_per_epoch_above_its_bar(told) -> None:
    epoch = Epoch(0.0, 2, 30, {"loss": 0.25}, best=False)
    text = told(Terminal(), Started(0.0, "train", 9), *parts(3, 9), epoch, Finished(0.0))
    assert "\repoch 3  loss 0.25\n" in text
    assert "3/9" in text.split("epoch 3")[-1]


def test_a_bar_follows_a_total_that_changes_and_never_goes_back(told) -> None:
    text = told(Terminal(), Started(0.0, "train", 10), Done(0.0, 4, 20), Done(0.0, 2, 20), Finished(0.0))
    assert "4/20" in text.split("\r")[-1]


@pytest.mark.parametrize("end", [Finished(0.0), Failed(0.0, "ValueError", "bad"), Started(0.0, "next")])
def test_a_bar_is_closed_by_the_end_a_failure_or_the_next_work(end, told) -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.show(Started(0.0, "work", 2))
    assert not stream.getvalue().endswith("\n")
    progress.show(end)
    closed = stream.getvalue()
    assert closed.endswith("\n")
    progress.show(Finished(0.0))
    assert stream.getvalue() == closed


def test_standard_error_is_drawn_on_as_it_is_now(capsys) -> None:
    progress = Progress()
    progress.show(Note(0.0, "hello"))
    assert capsys.readouterr() == ("", "hello\n")


@pytest.fixture
def shown(monkeypatch):
    """The widgets that a notebook would show."""
    import tqdm.notebook

    widgets = []
    monkeypatch.delenv("LEPTON_STEP_OUTPUT", raising=False)
    monkeypatch.setattr(tqdm.notebook, "display", widgets.append)
    return widgets


def test_a_notebook_gets_a_widget_that_tells_the_epoch_and_goes_when_the_work_is_over(shown, capsys) -> None:
    progress = Progress(notebook=True)
    progress.show(Started(0.0, "train", 8))
    progress.show(Done(0.0, 3, 8, "epoch 1"))
    (box,) = shown
    title, bar, text = box.children
    assert (title.value.split(":")[0], bar.max) == ("train", 8)
    progress.show(Epoch(0.0, 0, 3, {"loss": 0.5}, best=True))
    assert bar.value == 3
    # The widget's spaces have the width of a digit.
    assert "loss 0.5  (best)" in text.value.replace("\u2007", " ")
    assert box.comm is not None
    progress.show(Finished(0.0))
    # A closed widget shows nothing any more, and a log beside the cell was never written.
    assert box.comm is None
    assert capsys.readouterr().err == ""


def test_a_widget_of_work_that_failed_stays_and_is_red(shown) -> None:
    progress = Progress(notebook=True)
    progress.show(Started(0.0, "train", 8))
    progress.show(Done(0.0, 3, 8))
    progress.show(Failed(0.0, "ValueError", "bad"))
    (box,) = shown
    assert box.comm is not None
    assert box.children[1].bar_style == "danger"


def test_a_note_in_a_notebook_is_a_line_beside_the_widget(shown, capsys) -> None:
    progress = Progress(notebook=True)
    progress.show(Started(0.0, "train", 8))
    progress.show(Note(0.0, "stopping"))
    progress.show(Finished(0.0))
    assert capsys.readouterr().err == "stopping\n"


def test_a_step_of_a_pipeline_gets_lines_although_it_is_a_notebook(shown, monkeypatch, told, capsys) -> None:
    monkeypatch.setenv("LEPTON_STEP_OUTPUT", "outputs.json")
    progress = Progress(notebook=True)
    for event in (Started(0.0, "package", 2), *parts(2), Finished(0.0)):
        progress.show(event)
    assert shown == []
    assert capsys.readouterr().err == "package: 1/2 part 1\npackage: 2/2 part 2\n"


TRAIN = """
import sys, time
from lepton_nb.commands import Progress
from lepton_nb.records import Curve, Epoch, Finished, Note, Started
from lepton_nb.records import Progress as Done
asked = []
progress = Progress(notebook=True, stop=asked.append)
progress.show(Started(time.time(), "mlp", 40, "r1", 2))
for epoch in range(2):
    progress.show(Done(time.time(), 20 * epoch, 40))
    progress.show(Curve(time.time(), 20 * epoch + 1, {"loss": 1.0}))
    progress.show(Epoch(time.time(), epoch, 20 * epoch + 20, {"val_loss": 0.5 - 0.1 * epoch}, best=True))
progress.show(Note(time.time(), "a note"))
progress.show(Finished(time.time()))
progress.close()
"""


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """The outputs of a cell that a program executed in a kernel."""
    import nbclient
    import nbformat

    (tmp_path / ".lepton").mkdir()
    for name in ("LEPTON_STEP_OUTPUT", "LEPTON_HOME", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)

    def run(source, **env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        client = nbclient.NotebookClient(
            notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": str(tmp_path)}}
        )
        client.execute()
        return notebook

    return run


@pytest.mark.parametrize(
    "env", [{}, {"LEPTON_STEP_OUTPUT": "outputs.json", "SERVER_SOFTWARE": "voila/0.5"}, {"PAPERMILL_X": "1"}]
)
def test_where_a_program_runs_the_notebook_a_training_is_a_line_per_epoch_and_then_its_picture(executed, env) -> None:
    notebook = executed(TRAIN, **env)
    said, left = notebook.cells[0].outputs
    assert said.text == "epoch 1  val_loss 0.5  (best)\nepoch 2  val_loss 0.4  (best)\na note\n"
    assert "image/svg+xml" in left.data
    assert "best epoch   2: val_loss 0.4" in left.data["text/plain"]
    # No widget was made: nbclient keeps the state of those that are closed, too.
    assert "widgets" not in notebook.metadata


def test_voila_executes_as_a_program_does_and_gets_the_widget(executed) -> None:
    notebook = executed(TRAIN, SERVER_SOFTWARE="voila/0.5.13")
    (shown,) = notebook.cells[0].outputs
    model = shown.data["application/vnd.jupyter.widget-view+json"]["model_id"]
    (states,) = notebook.metadata["widgets"].values()
    facts = states["state"][model]["state"]["facts"]
    assert (facts["phase"], facts["epoch"], facts["notes"]) == ("finished", 2, ["a note"])
    assert states["state"][model]["state"]["about"] == {"run": "r1", "name": "mlp", "stop": True}


def test_a_run_that_is_told_again_keeps_its_view(executed) -> None:
    again = TRAIN.replace("progress.close()", "") + TRAIN.partition("asked.append)\n")[2]
    notebook = executed(again, SERVER_SOFTWARE="voila/0.5.13")
    assert len(notebook.cells[0].outputs) <= 2
    assert len({str(output.data) for output in notebook.cells[0].outputs}) == 1


def test_a_shell_sees_a_training_as_its_bar_and_lines(told) -> None:
    events = [Started(0.0, "mlp", 4, "r1", 2), *parts(2, 4), Epoch(0.0, 0, 2, {"loss": 0.25}, best=True), Finished(0.0)]
    assert "epoch 1  loss 0.25  (best)\n" in told(Terminal(), *events)
