"""`lepton promote`, `rollback` and `logs`, as a person types them; the tracking store's aliases follow."""

import dataclasses
import json

import pytest

import lepton_nb
from lepton_nb import tracking
from lepton_nb.commands import PlainHost
from lepton_nb.commands.tree import invoke
from lepton_nb.errors import UsageError
from lepton_nb.records import Bento
from lepton_nb.runtime import manifest_of
from lepton_nb.tracking.store import reaching
from lepton_nb.workspace import Workspace


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def deployed(project, make_tiny_bento):
    """A deployment of one run's Bento, and another run's Bento."""

    def packaged(name: str) -> Bento:
        run_id = tracking.start_run(project, name, {}, {})
        tracking.finish_run(project, run_id, "finished")
        folder = project.bentoml / "bentos" / name / "v1"
        made = make_tiny_bento(folder, f"{name}:v1")
        (made.model / "manifest.json").unlink()
        (made.model / "manifest.json").write_text(json.dumps(manifest_of(made.model, run=run_id, data="d").to_dict()))
        with (folder / "bento.yaml").open("a") as stream:
            stream.write("creation_time: '2026-01-01T00:00:00+00:00'\n")
        return dataclasses.replace(made, run=run_id)

    first, second = packaged("one"), packaged("two")
    yield lepton_nb.serve(first, name="shop", port=0), first, second
    lepton_nb.stop("shop")


def aliases(ws) -> dict[str, str]:
    with reaching(tracking.uri(ws)) as client:
        model = client.get_registered_model("shop")
        return {
            alias: client.get_model_version("shop", number).tags["bento"] for alias, number in model.aliases.items()
        }


def test_the_aliases_of_the_tracking_store_follow_the_slots(deployed, project):
    _, first, second = deployed
    assert lepton_nb.promote("shop", second, canary="25%").bento == first.tag
    assert aliases(project) == {"champion": first.tag, "challenger": second.tag}
    assert lepton_nb.promote("shop").bento == second.tag
    assert aliases(project) == {"champion": second.tag}
    assert lepton_nb.rollback("shop", why="worse").bento == first.tag
    assert aliases(project) == {"champion": first.tag}


@pytest.mark.parametrize("share", ["0%", "101%", "some", "-1"])
def test_a_share_that_is_none_is_refused(deployed, share):
    with pytest.raises(UsageError, match="is no share"):
        lepton_nb.promote("shop", deployed[2], canary=share)


def test_the_words_of_a_shell_do_the_same(deployed):
    _, _, second = deployed
    outcome = invoke(["promote", "shop", second.tag, "--why", "better", "--json"], PlainHost())
    assert (outcome.result.bento, outcome.as_json) == (second.tag, True)
    assert invoke(["logs", "shop", "--lines", "3"], PlainHost()).result.lines
    assert invoke(["rollback", "shop"], PlainHost()).result.bento == "one:v1"


def test_a_store_that_is_away_is_told_of_and_changes_nothing(deployed, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert lepton_nb.promote("shop", deployed[2]).bento == deployed[2].tag
    assert "the tracking store's aliases do not say so yet" in "".join(capsys.readouterr())
