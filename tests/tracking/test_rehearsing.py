"""What a store's first use makes is made ahead, and leaves nothing but that."""

import sqlite3
import tempfile

import pytest

from lepton_nb import tracking
from lepton_nb.errors import TrackingError
from lepton_nb.tracking.rehearsing import rehearse
from lepton_nb.tracking.store import forget
from lepton_nb.workspace import Workspace


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_rehearsal_leaves_no_file_and_no_store_and_migrations_are_read_once(tmp_path, monkeypatch):
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    ws = Workspace(tmp_path / ".lepton")
    tracking.create(ws)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    rehearse()
    assert list(scratch.iterdir()) == []
    assert SqlAlchemyStore._engine_map == {}
    monkeypatch.setattr(utils.ScriptDirectory, "from_config", lambda _: pytest.fail("the migrations are read again"))
    run_id = tracking.start_run(ws, "cnn-1", {"epochs": 3}, {})
    assert tracking.get(ws, run_id).params["epochs"] == "3"


def test_without_a_migrated_store_nothing_is_rehearsed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rehearse()
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_another_schema_is_refused_all_the_same(tmp_path):
    rehearse()
    ws = Workspace(tmp_path / ".lepton")
    tracking.create(ws)
    connection = sqlite3.connect(ws.mlflow_db)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = 'older'")
    connection.close()
    forget()
    with pytest.raises(TrackingError, match="refused"):
        tracking.start_run(ws, "cnn-1", {}, {})
