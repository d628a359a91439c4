"""A notebook that runs a pipeline shows its graph, which follows the steps in place."""

import nbclient
import nbformat
import pytest

CELLS = (
    "%load_ext lepton_nb",
    "%lepton pipeline run pipeline.yml",
    "%lepton pipeline graph last --follow",
    "%lepton pipeline graph pipeline.yml",
)


class Watching(nbclient.NotebookClient):
    """Keeps what each cell drew, and what was drawn in its place."""

    drawn = ()

    def process_message(self, msg, cell, cell_index):
        if msg["header"]["msg_type"] in ("display_data", "update_display_data"):
            self.drawn = (*self.drawn, (cell_index, msg["header"]["msg_type"], msg["content"]["data"]))
        return super().process_message(msg, cell, cell_index)


@pytest.fixture
def shown(notebook, pipeline, ws, tmp_path, monkeypatch):
    """The notebook after its cells have run in a kernel of its own, and what they drew."""
    monkeypatch.setenv("LEPTON_HOME", str(ws.home))
    ws.home.mkdir()
    notebook("a", "1")
    notebook("b", "import time\ntime.sleep(1)")
    pipeline("steps:\n  a: {notebook: a.ipynb}\n  b: {notebook: b.ipynb, needs: [a]}\n")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    client = Watching(
        nbformat.v4.new_notebook(cells=cells), kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    return client.nb.cells, client.drawn


def test_the_graph_follows_the_run_in_place_and_stays_as_it_ended(shown):
    cells, drawn = shown
    run = [(kind, data) for index, kind, data in drawn if index == 1]
    assert [kind for kind, _ in run] == ["display_data"] + (len(run) - 1) * ["update_display_data"]
    assert run[0][1]["text/plain"] == "pipeline pipeline: 2 waiting"
    assert any("running" in data["text/plain"] for _, data in run)
    picture, result = cells[1].outputs
    assert picture.data["text/plain"] == "pipeline pipeline: 2 completed"
    assert picture.data["image/svg+xml"].count("\u2713 completed") == 3
    assert result.output_type == "execute_result"
    assert "report.html" in result.data["text/html"]
    followed, ended = cells[2].outputs
    assert followed.data == picture.data
    assert ended.data == result.data
    (graph,) = cells[3].outputs
    assert "completed" not in graph.data["image/svg+xml"]
