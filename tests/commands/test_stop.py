"""Which of the things that run a name means, and that it is what ends."""

import sys
import threading
import time

import pytest

from lepton_nb import processes, tracking
from lepton_nb.commands import hosted, invoke
from lepton_nb.commands.stop import stop
from lepton_nb.dashboards import launcher
from lepton_nb.errors import AmbiguousError, ConflictError, NotFoundError
from lepton_nb.records import Dashboard, Deployment
from lepton_nb.serving import deployed
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A workspace whose store exists, with a run that is over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        ws = Workspace(tmp_path_factory.mktemp("stopping") / ".lepton")
        over = tracking.start_run(ws, "over", {}, {})
        tracking.finish_run(ws, over, "finished", "")
        yield ws


@pytest.fixture
def ws(store, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("LEPTON_HOME", str(store.home))
    return store


@pytest.fixture
def process(tmp_path):
    """Starts processes that only wait, each in the place of a server or a trainer."""
    started = []

    def start():
        command = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        started.append(processes.start(command, log=tmp_path / "log", cwd=tmp_path))
        return started[-1]

    yield start
    for one in started:
        processes.stop(one, grace=0.0)


@pytest.fixture
def deploy(ws, process, log_deployment):
    def record(name, status="running"):
        folder, server = log_deployment(ws, name).folder, process()
        one = Deployment(
            name=name,
            status=status,
            url="http://127.0.0.1:1",
            bento=f"{name}:v1",
            pid=server.pid,
            started=server.started,
            workers=1,
            created=time.time(),
            path=folder,
        )
        return deployed.write(one), server

    return record


@pytest.fixture
def show(ws, process):
    def record(page):
        folder, server = ws.home / "dashboard" / page, process()
        one = Dashboard(page, "running", "http://127.0.0.1:1/", server.pid, folder / "token")
        return launcher._write(folder, one, server), server

    return record


@pytest.fixture
def run(ws, process):
    """Enters a run that lives; asked to stop, it ends as a trainer does."""
    over = threading.Event()
    threads = []

    def record(name):
        trainer = process()
        run_id = tracking.start_run(ws, name, {}, {})
        tracking.mark_process(ws, run_id, processes.identify(trainer.pid))

        def end_when_asked():
            while not over.wait(0.02):
                if (ws.run(run_id) / "stop").exists():
                    tracking.finish_run(ws, run_id, "stopped", "")
                    processes.stop(trainer, grace=0.0)
                    return

        threads.append(threading.Thread(target=end_when_asked))
        threads[-1].start()
        return run_id, trainer

    yield record
    over.set()
    for thread in threads:
        thread.join()


def test_a_deployment_is_stopped_by_its_name_and_nothing_else_is(deploy) -> None:
    _, one = deploy("first")
    _, other = deploy("second")
    stopped = stop("first")
    assert (type(stopped), stopped.name, stopped.status) == (Deployment, "first", "stopped")
    assert not processes.is_alive(one)
    assert processes.is_alive(other)


def test_a_dashboard_is_stopped_by_its_page(show) -> None:
    _, server = show("deployments")
    stopped = stop("deployments")
    assert (type(stopped), stopped.status) == (Dashboard, "stopped")
    assert not processes.is_alive(server)


@pytest.mark.parametrize("by", ["name", "id", "prefix", "last"])
def test_a_run_is_asked_to_stop_by_what_a_run_is_called(by, run) -> None:
    run_id, trainer = run(f"by-{by}")
    stopped = stop({"name": f"by-{by}", "id": run_id, "prefix": run_id[:10], "last": "last"}[by])
    assert (stopped.id, stopped.status) == (run_id, "stopped")
    assert not processes.is_alive(trainer)


def test_a_name_of_a_living_run_and_of_a_deployment_stops_neither(deploy, run) -> None:
    _, server = deploy("twin")
    run_id, trainer = run("twin")
    with pytest.raises(AmbiguousError, match=r"'twin'.*deployment, run.*by its id"):
        stop("twin")
    assert processes.is_alive(server)
    assert processes.is_alive(trainer)
    assert stop(run_id).id == run_id
    # With one of the two gone the name is enough.
    assert type(stop("twin")) is Deployment


def test_a_name_of_a_deployment_and_of_a_dashboard_stops_neither(deploy, show) -> None:
    _, server = deploy("both")
    show("both")
    with pytest.raises(AmbiguousError, match="deployment, dashboard"):
        stop("both")
    assert processes.is_alive(server)


def test_what_runs_is_meant_and_not_what_ended_under_the_same_name(deploy, run, ws) -> None:
    deploy("again", status="stopped")
    run_id, _ = run("again")
    assert stop("again").id == run_id
    _, server = deploy("over")
    assert type(stop("over")) is Deployment
    assert not processes.is_alive(server)
    assert tracking.get(ws, "over").status == "finished"


def test_a_handle_of_a_variable_is_what_it_is_whatever_else_has_its_name(deploy, run, fake_host) -> None:
    mine, server = deploy("shared")
    _, trainer = run("shared")
    assert type(invoke(["stop", "mine"], fake_host(mine=mine)).result) is Deployment
    assert not processes.is_alive(server)
    assert processes.is_alive(trainer)


def test_a_variable_that_is_nothing_to_stop_does_not_hide_a_name(deploy, fake_host) -> None:
    _, server = deploy("model")
    with hosted(fake_host(model=object())):
        assert stop("model").name == "model"
    assert not processes.is_alive(server)


def test_what_ended_already_is_told_as_it_is(ws, deploy) -> None:
    with pytest.raises(ConflictError, match="it is finished"):
        stop(tracking.get(ws, "over").id)
    deploy("ended", status="stopped")
    assert stop("ended").status == "stopped"


def test_a_name_of_nothing_lists_what_runs_here_of_every_kind(deploy, show, run) -> None:
    deploy("alive")
    deploy("dead", status="stopped")
    show("page")
    run_id, _ = run("training")
    with pytest.raises(NotFoundError) as caught:
        stop("nothing")
    told = str(caught.value)
    assert "'nothing'" in told
    for part in ("alive", "page", f"training ({run_id[:8]})"):
        assert part in told
    assert "dead" not in told
    assert "over" not in told


def test_where_nothing_runs_the_next_step_says_where_to_look(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    with pytest.raises(NotFoundError, match=r"nothing runs here.*lepton runs"):
        stop("nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_deployment_is_stopped_while_the_tracking_server_is_gone(deploy, run, monkeypatch) -> None:
    _, server = deploy("offline")
    run("other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{processes.free_port()}")
    assert stop("offline").status == "stopped"
    assert not processes.is_alive(server)
