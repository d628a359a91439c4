"""`lepton package` and what lies below it: a verb with an argument of its own that has verbs below."""

from __future__ import annotations

import pytest

from lepton_nb.commands import invoke
from lepton_nb.errors import ConflictError, StorageError, UsageError
from lepton_nb.evaluation import evaluate


def test_a_file_is_written_and_not_taken_in_by_the_store_that_has_it(trained, fake_host, monkeypatch, tmp_path):
    one = trained("breast_cancer")
    # A store of its own: other tests ask which Bento is the newest of this run.
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    evaluate(one.ws, one.run, one.data)
    host = fake_host(mine=one.run)
    file = tmp_path / "churn.lepton"
    made = invoke(["package", "mine", "--name", "churn", "--out", str(file)], host).result
    assert made.tag.startswith("churn:")
    assert f"{made.tag} is in {file} ({file.stat().st_size:,} bytes)" in str(host.events[-1])
    with pytest.raises(ConflictError, match=f"Bento {made.tag} is in the store already"):
        invoke(["package", "import", str(file)], fake_host())


def test_a_place_that_cannot_be_written_is_refused_before_the_work(trained, fake_host, tmp_path):
    with pytest.raises(StorageError, match="Is a directory"):
        invoke(["package", "mine", "--out", str(tmp_path)], fake_host(mine=trained("breast_cancer").run))


def test_help_tells_the_argument_and_the_verb_below(fake_host, capsys):
    invoke(["package", "--help"], fake_host())
    out = capsys.readouterr().out
    assert "[RUN]: id, unique prefix, name or last." in out
    assert "import" in out.partition("Commands:")[2]
    with pytest.raises(UsageError, match="FILE"):
        invoke(["package", "import"], fake_host())
