"""What a clean-up takes away, what it never takes, and what a kill in its middle leaves."""

import os
import signal
import sys
import time

import pytest

from lepton_nb import processes, tracking
from lepton_nb.commands import invoke
from lepton_nb.commands.clean import clean
from lepton_nb.errors import FormatError, TrackingError, UsageError
from lepton_nb.processes import identify
from lepton_nb.tracking.store import asking
from lepton_nb.workspace import Workspace, write_json

DAY = 86400.0


class Project:
    """A workspace with things of chosen ages; `days` is how long ago they ended or were used."""

    def __init__(self, home) -> None:
        self.ws = Workspace(home)

    def run(self, name, days):
        run_id = tracking.start_run(self.ws, name, {"lr": 1}, {})
        (self.ws.run(run_id) / "weights.safetensors").write_bytes(b"w" * 1000)
        tracking.log_files(self.ws, run_id, [self.ws.run(run_id) / "weights.safetensors"])
        with asking(tracking.uri(self.ws)) as client:
            client.set_terminated(run_id, end_time=int((time.time() - days * DAY) * 1000))
        return run_id

    def entry(self, key, days, **outputs):
        folder = self.ws.home / "cache" / (key if key.startswith(".") else key * 64)
        write_json(folder / "entry.json", {"key": folder.name, "step": "train", "outputs": outputs})
        (folder / "notebook.ipynb").write_text("{}")
        aged(folder, days)
        return folder

    def pipeline(self, name, days, status="completed", runner=None, **outputs):
        folder, ended = self.ws.pipelines / name, time.time() - days * DAY
        runner = runner or identify()
        body = {"id": name, "pipeline": "quick", "status": status, "ended": None if status == "running" else ended}
        body |= {"order": ["train"], "runner": {"pid": runner.pid, "started": runner.started}}
        write_json(folder / "train.json", {"name": "train", "outputs": outputs, "parameters": {}})
        (folder / "train.ipynb").write_text("{}")
        write_json(folder / "run.json", body)
        aged(folder, days)
        return folder

    def deploy(self, name, run_id, status="stopped"):
        model = self.ws.bentoml / "bentos" / name / "v1" / "src" / "model"
        write_json(model / "manifest.json", {"run": run_id})
        write_json(self.ws.deployment(name) / "slots.json", {"slots": {"champion": {"bento": "x", "path": str(model)}}})
        return self.ws.deployment(name)

    def tree(self):
        return {path: path.read_bytes() for path in sorted(self.ws.home.rglob("*")) if path.is_file()}

    def ids(self):
        return {run.id for run in tracking.runs(self.ws, 50).runs}


def aged(folder, days):
    moment = time.time() - days * DAY
    for path in (*folder.iterdir(), folder):
        os.utime(path, (moment, moment))


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME", "BENTOML_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    return Project(tmp_path / ".lepton")


def names(things):
    return sorted(one.name or one.id for one in things)


def test_the_dry_run_shows_what_goes_and_changes_nothing_and_the_run_removes_just_that(project) -> None:
    old, young = project.run("old", 40), project.run("young", 20)
    entry, used = project.entry("a", 31), project.entry("b", 29)
    broken = project.entry(".broken-" + "c" * 64, 31)
    last, newest = project.pipeline("20260101-000000-aaaaaa", 31), project.pipeline("20260102-000000-bbbbbb", 1)
    before = project.tree()
    shown = clean(older_than="30d", dry_run=True)
    assert project.tree() == before
    done = clean(older_than="30d")
    assert [(one.kind, one.id) for one in shown.removed] == [(one.kind, one.id) for one in done.removed]
    assert {one.id for one in done.removed} == {old, entry.name, broken.name, last.name}
    gone = [path for path in before if not path.exists()]
    assert shown.size == done.size == sum(len(before[path]) for path in gone)
    assert shown.table().rows == done.table().rows
    assert shown.as_text().startswith(
        "would remove 1 cache entry, 1 broken entry, 1 pipeline run, 1 run older than 30d"
    )
    assert "MiB freed" in done.as_text()
    assert project.ids() == {young}
    assert used.exists() and newest.exists() and project.ws.run(young).exists()  # noqa: PT018
    assert not (project.ws.artifacts / old).exists()
    assert clean(older_than="30d").as_text() == "nothing to remove that is older than 30d"


def test_what_an_alias_or_a_deployment_points_to_stays_however_old(project) -> None:
    champion, linked, served, free = (project.run(name, 90) for name in ("champion", "linked", "served", "free"))
    project.deploy("shop", served)
    with asking(tracking.uri(project.ws)) as client:
        client.create_registered_model("churn")
        for alias, run_id, named in (("champion", champion, champion), ("challenger", linked, None), ("", free, free)):
            version = client.create_model_version("churn", f"runs:/{run_id}/model", run_id=named)
            if alias:
                client.set_registered_model_alias("churn", alias, version.version)
    done = clean(older_than="12h")
    assert names(done.removed) == ["free"]
    assert project.ids() == {champion, linked, served}
    held = {one.name: one.held for one in done.kept}
    assert held == {
        "champion": "model churn@champion", "linked": "model churn@challenger", "served": "deployment shop"
    }  # fmt: skip
    assert "kept: run" in done.as_text()


def test_a_run_that_the_outputs_of_something_kept_name_stays_and_goes_with_it(project) -> None:
    by_entry, by_step, by_name = project.run("one", 40), project.run("two", 40), project.run("three-1a2b", 40)
    project.entry("a", 35, run=by_entry)
    project.pipeline("20260101-000000-aaaaaa", 25, best={"weights": [f"/x/{by_step}/weights"]})
    project.pipeline("20260101-000000-bbbbbb", 25, best="three-1a2b")
    assert names(clean(older_than="36d").removed) == []
    assert project.ids() == {by_entry, by_step, by_name}
    done = clean(older_than="30d")
    assert [one.kind for one in done.removed] == ["cache entry", "run"]
    assert project.ids() == {by_step, by_name}
    assert len(clean(older_than="20d").removed) == 4
    assert project.ids() == set()


def test_what_runs_is_never_removed_and_what_died_goes_by_its_last_sign_of_life(project, tmp_path) -> None:
    living = tracking.start_run(project.ws, "living", {}, {})
    dead = tracking.start_run(project.ws, "dead", {}, {})
    sleeper = processes.start(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"], log=tmp_path / "log", cwd=tmp_path
    )
    needed = project.entry("a", 50)
    going_on = project.pipeline("20260101-000000-aaaaaa", 50, "running", key=needed.name)
    died = project.pipeline("20260101-000000-bbbbbb", 50, "running", sleeper)
    tracking.mark_process(project.ws, dead, sleeper)
    processes.stop(sleeper, grace=0.0)
    assert clean(older_than="1d", dry_run=True).removed[0].id == died.name
    for run_id in (living, dead):
        aged(project.ws.run(run_id), 50)
    done = clean(older_than="1d")
    assert {one.id for one in done.removed} == {died.name, dead}
    assert [one.held for one in done.kept] == ["a pipeline that runs uses it"]
    assert going_on.exists()
    assert project.ids() == {living}


def test_with_the_tracking_server_out_of_reach_nothing_is_removed(project, monkeypatch) -> None:
    project.run("old", 40)
    project.entry("a", 40)
    before = project.tree()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{processes.free_port()}")
    with pytest.raises(TrackingError, match="does not answer"):
        clean(older_than="30d")
    assert {path: content for path, content in project.tree().items() if path.name != "clean.lock"} == before


def test_a_deployment_that_does_not_tell_what_it_serves_stops_the_clean_up_with_its_name(project) -> None:
    project.run("old", 40)
    project.deploy("shop", "x").joinpath("slots.json").write_text("{")
    with pytest.raises(FormatError, match="deployment shop does not tell what it serves"):
        clean(older_than="30d")
    assert len(project.ids()) == 1


@pytest.mark.parametrize("age", ["30", "d", "-3d", "3y", "1.5d", "", "30 d", "\uff19d", "9" * 12 + "d"])
def test_an_age_that_is_none_is_refused(age, project) -> None:
    with pytest.raises(UsageError, match=r"age .* is not readable; expected a number and a unit, such as 30d"):
        clean(older_than=age)


def test_without_a_workspace_there_is_nothing_to_remove_and_none_is_made(tmp_path, monkeypatch, fake_host) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / "none" / ".lepton"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError, match="--older-than"):
        invoke(["clean"], fake_host())
    assert invoke(["clean", "--older-than", "2w"], fake_host()).result.to_json()["removed"] == []
    assert list(tmp_path.iterdir()) == []


def killed_at(step):
    """Clean in a process that is killed at its n-th change on disk; whether it was."""
    pid = os.fork()
    if pid == 0:
        seen = 0

        def watch(event, _):
            nonlocal seen
            if event in ("os.rename", "shutil.rmtree", "os.remove", "os.rmdir", "sqlite3.connect"):
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            clean(older_than="30d")
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def check_kill(project, step):
    """Kill a clean-up at its n-th change; whether there was one."""
    run_id = project.run("old", 40)
    entry = project.entry("a", 40, run=run_id)
    notebooks = project.pipeline("20260101-000000-aaaaaa", 40, run=run_id)
    killed = killed_at(step)
    for folder, whole in ((entry, 2), (notebooks, 3)):
        assert not folder.exists() or len(list(folder.iterdir())) == whole
    alive = project.ids()
    assert all((project.ws.run(one) / "weights.safetensors").exists() for one in alive)
    # No result that can be taken names a run that is gone.
    assert run_id in alive or not entry.exists()
    clean(older_than="30d")
    left = [path for path in project.tree() if path.suffix in (".safetensors", ".ipynb") or "trash" in path.parts]
    assert (left, project.ids()) == ([], set())
    return killed


@pytest.mark.parametrize("step", [1, 4, 8, 12, 16, 20, 24])
def test_a_kill_leaves_nothing_half_removed_and_the_next_clean_up_finishes(step, project) -> None:
    assert check_kill(project, step)


@pytest.mark.nightly
def test_a_kill_at_any_moment_leaves_nothing_half_removed(project) -> None:
    step = 1
    while check_kill(project, step):
        step += 1
    assert step > 24
