"""What Papermill sees of a magic that fails."""

import nbformat
import papermill
import pytest


@pytest.mark.parametrize(
    ("line", "name", "told"),
    [
        ("%lepton data load nothing.csv", "NotFoundError", "nothing.csv"),
        ("%lepton trian", "UsageError", "'train'"),
        ("%lepton output a=$undefined", "NotFoundError", "'undefined'"),
    ],
)
def test_a_failing_magic_fails_the_run_with_its_own_line(tmp_path, line, name, told) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("%load_ext lepton_nb"), nbformat.v4.new_code_cell(line)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook(
            str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb"), cwd=str(tmp_path), progress_bar=False
        )
    assert caught.value.ename == name
    assert told in caught.value.evalue
    assert caught.value.traceback == [f"{name}: {caught.value.evalue}"]
