"""Rows that several trainings share are what each would have made for itself."""

import stat

import numpy as np
import pytest
import torch

from lepton_nb.data import batches as room
from lepton_nb.data import features, load, module, prepare
from lepton_nb.data.prepared import given
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("prepared") / ".lepton")


@pytest.fixture(scope="module")
def data(ws):
    return load(ws, "wine")


@pytest.fixture(scope="module")
def folder(data, ws):
    place = ws.home / "rows"
    assert prepare(data, place)
    return place


def test_what_was_prepared_is_what_features_gives(data, folder):
    for part in ("train", "validation"):
        for found, expected in zip(given(data, part, folder), features(data, part), strict=True):
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_batches_are_made_of_it_and_nothing_is_fitted_again(data, folder, monkeypatch):
    expected = [rows for rows, _ in module(data, 16, 3).train_dataloader()]

    def again(*_):
        raise AssertionError("prepared again")

    monkeypatch.setattr(room, "features", again)
    found = module(data, 16, 3, prepared=folder)
    assert all(map(torch.equal, [rows for rows, _ in found.train_dataloader()], expected))
    assert len(torch.cat([rows for rows, _ in found.val_dataloader()])) == data.rows["validation"]
    with pytest.raises(AssertionError, match="prepared again"):
        list(found.test_dataloader())


def test_who_changes_the_rows_changes_them_alone(data, folder):
    for rows, _ in module(data, 16, 3, prepared=folder).val_dataloader():
        rows.zero_()
    assert np.array_equal(given(data, "validation", folder)[0], features(data, "validation")[0])


def test_rows_of_other_data_of_a_broken_file_or_of_none_are_not_taken(data, ws, tmp_path):
    other = load(ws, "iris")
    place = tmp_path / "rows"
    assert given(data, "train", place) is None
    prepare(other, place)
    assert given(other, "train", place) is not None
    assert given(data, "train", place) is None
    (place / "train-features.npy").write_bytes(b"\x93NUMPY")
    assert given(other, "train", place) is None


def test_many_rows_are_left_to_each_training(data, tmp_path, monkeypatch):
    monkeypatch.setattr("lepton_nb.data.prepared._MOST", 1000)
    assert not prepare(data, tmp_path / "rows")
    assert not (tmp_path / "rows").exists()
