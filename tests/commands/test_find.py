"""What a word means: a variable of the notebook first, but a variable that holds text never."""

import json

import numpy as np
import pandas as pd
import pytest

from lepton_nb.commands import find, hosted
from lepton_nb.data import read
from lepton_nb.errors import DataError, NotFoundError, UsageError
from lepton_nb.records import Data
from lepton_nb.runtime import Input, read_signature
from lepton_nb.workspace import Workspace

FRAME = pd.DataFrame({"a": range(30), "b": [0.5 * i for i in range(30)], "y": [i % 2 for i in range(30)]})
COLUMNS = (Input("a", "number"), Input("b", "number"))


@pytest.fixture
def one(trained):
    return trained("breast_cancer")


def test_a_variable_wins_over_a_file_and_over_something_stored(one, fake_host, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a,b\n9,9\n")
    with hosted(fake_host(**{"rows.csv": FRAME, "breast_cancer": one.data, "last": one.run})):
        assert find.source_of("rows.csv") is FRAME
        assert find.data_of(one.ws, "breast_cancer") is one.data
        assert find.run_of(one.ws, "last") is one.run


def test_a_variable_that_holds_text_never_wins(one, fake_host) -> None:
    with hosted(fake_host(breast_cancer="digits", last="nothing")):
        assert find.source_of("breast_cancer") == "breast_cancer"
        assert find.data_of(one.ws, "breast_cancer").id == one.data.id


@pytest.mark.parametrize("held", [16_000, np.float64(0.5), None, json])
def test_a_variable_that_rows_cannot_come_from_never_hides_data_of_its_name(one, fake_host, held) -> None:
    with hosted(fake_host(breast_cancer=held)):
        assert find.data_of(one.ws, "breast_cancer").id == one.data.id


def test_a_variable_of_another_kind_does_not_win_where_a_kind_is_asked_for(one, fake_host, packaged) -> None:
    bento = packaged("breast_cancer")
    with hosted(fake_host(model=FRAME, kept=bento)):
        assert find.named("model", type(bento)) == "model"
        assert find.bento_of(one.ws, "kept") is bento
        assert find.bento_of(one.ws, "breast-cancer").tag == bento.tag
        with pytest.raises(NotFoundError, match="model"):
            find.bento_of(one.ws, "model")


def test_data_is_found_by_handle_hash_prefix_and_name(one) -> None:
    for word in (one.data, one.data.id, one.data.id[:8], one.data.name):
        assert find.data_of(one.ws, word).id == one.data.id


def test_a_frame_becomes_data_and_one_without_a_target_is_refused(tmp_path, one) -> None:
    from lepton_nb.workspace import Workspace

    ws = Workspace(tmp_path / ".lepton")
    assert isinstance(find.data_of(ws, FRAME, "y"), Data)
    with pytest.raises(DataError, match="target"):
        find.data_of(ws, FRAME.assign(c=1))


def test_rows_come_from_a_json_file_as_a_list_or_as_a_request(one, tmp_path) -> None:
    rows = [{"a": 1, "b": None}, {"a": 2, "b": 0.5}]
    for name, content in (("list.json", rows), ("request.json", {"rows": rows})):
        (tmp_path / name).write_text(json.dumps(content))
        assert find.rows_of(one.ws, str(tmp_path / name), "test", COLUMNS) == rows
        assert find.rows_of(one.ws, tmp_path / name, "test", COLUMNS) == rows


def test_a_json_file_that_is_broken_or_not_there_is_named(one, tmp_path) -> None:
    (tmp_path / "broken.json").write_text('[{"a": 1},')
    with pytest.raises(DataError, match=r"broken\.json is not JSON; expected a list of row objects"):
        find.rows_of(one.ws, str(tmp_path / "broken.json"), "test", COLUMNS)
    with pytest.raises(NotFoundError, match=r"none\.json does not exist"):
        find.rows_of(one.ws, str(tmp_path / "none.json"), "test", COLUMNS)


def test_rows_of_a_frame_and_of_a_csv_file_leave_other_columns_aside(one, tmp_path) -> None:
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    for source in (FRAME, str(tmp_path / "rows.csv")):
        rows = find.rows_of(one.ws, source, "test", COLUMNS)
        assert list(rows) == ["a", "b"]
        np.testing.assert_array_equal(np.asarray(rows["b"], dtype=float), FRAME["b"])


def test_rows_of_a_data_set_are_those_of_the_part(one, packaged) -> None:
    columns = read_signature(packaged("breast_cancer").model).inputs
    for word in (one.data, one.data.id):
        for part in ("test", "train"):
            rows, expected = find.rows_of(one.ws, word, part, columns), read(one.data, part)[0]
            assert {name: len(values) for name, values in rows.items()} == {
                name: len(values) for name, values in expected.items()
            }


def test_rows_in_a_variable_are_taken_as_they_are(one, fake_host) -> None:
    rows = [{"a": 1, "b": 2}]
    with hosted(fake_host(mine=rows)):
        assert find.rows_of(one.ws, "mine", "test", COLUMNS) is rows


@pytest.fixture(scope="module")
def net():
    import pytorch_lightning as pl
    import torch

    class WideNet(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def training_step(self, batch, batch_idx):
            return None

    return WideNet


def test_a_network_is_a_name_of_the_zoo_or_a_variable_class_or_instance(net, fake_host) -> None:
    module = net()
    with hosted(fake_host(WideNet=net, module=module, mlp=net)):
        assert find.network_of("cnn") == "cnn"
        assert find.network_of("WideNet") is net
        assert find.network_of("module") is module
        assert find.network_of(module) is module
        # A variable wins over the zoo, too.
        assert find.network_of("mlp") is net


@pytest.mark.parametrize(
    ("word", "meant"), [("WideNte", "WideNet"), ("widenet", "WideNet"), ("cn", "cnn"), ("MPL", "mlp")]
)
def test_a_misspelt_network_is_met_with_the_nearest_that_could_be_trained(word, meant, net, fake_host) -> None:
    with (
        hosted(fake_host(WideNet=net, WideNtes=[1, 2], cnx=3)),
        pytest.raises(NotFoundError, match=f"did you mean {meant}[?]"),
    ):
        find.network_of(word)


def test_a_word_near_to_nothing_gets_no_guess(net, fake_host) -> None:
    with hosted(fake_host(WideNet=net)), pytest.raises(NotFoundError) as caught:
        find.network_of("resnet_152")
    assert "did you mean" not in str(caught.value)
    assert "cnn, dqn, forecaster, mlp" in str(caught.value)


def test_a_variable_that_is_text_is_no_network(fake_host) -> None:
    with hosted(fake_host(mine="no network")), pytest.raises(NotFoundError, match="no network"):
        find.network_of("mine")


def test_a_variable_that_cannot_be_trained_is_refused(fake_host) -> None:
    with hosted(fake_host(mine=42)), pytest.raises(UsageError, match="LightningModule"):
        find.network_of("mine")


def test_every_kind_of_file_that_is_loaded_can_be_named_as_data(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ws = Workspace(tmp_path / ".lepton")
    (tmp_path / "plain.tsv").write_text("a\ty\n" + "".join(f"{i}\t{'no' if i % 2 else 'yes'}\n" for i in range(60)))
    assert find.data_of(ws, "plain.tsv", "y").classes == ("no", "yes")
