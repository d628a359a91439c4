"""The REST routes, on a real JupyterLab server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.web import RequestHandler

from lepton_nb import monitoring, processes, tracking
from lepton_nb.labserver.routes import routes
from lepton_nb.records import Metric
from lepton_nb.workspace import Workspace

HEAVY = ("bentoml", "lightning", "mlflow", "papermill", "ray", "sklearn", "torch")


class Lab:
    """A running JupyterLab, asked over HTTP."""

    def __init__(self, folder: Path, start_jupyterlab: Callable[..., Any]) -> None:
        self.root = folder / "project"
        self.log = folder / "log"
        (self.root / ".lepton").mkdir(parents=True)
        # Every import is written to the log, so that a test can read which ones happened.
        address, token, self.identity = start_jupyterlab(
            folder, self.root, "--LabApp.news_url=None", python=("-X", "importtime")
        )
        self.client = httpx.Client(base_url=address, timeout=60)
        self.token = {"Authorization": f"token {token}"}
        self.client.get("api/status", headers=self.token).raise_for_status()

    @property
    def ws(self) -> Workspace:
        return Workspace(self.root / ".lepton")

    def runs(self) -> httpx.Response:
        return self.client.get("lepton/api/runs", headers=self.token)

    def imported(self) -> set[str]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("import time:")]
        return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, start_jupyterlab: Callable[..., Any]) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"), start_jupyterlab)
    yield running
    running.client.close()
    processes.stop(running.identity)


def test_starting_jupyterlab_loads_the_extension_but_nothing_heavy(lab: Lab) -> None:
    assert "lepton_nb" in lab.imported()
    assert "lepton_nb.labserver | extension was successfully loaded" in lab.log.read_text()
    assert lab.imported().isdisjoint(HEAVY)


def test_a_project_without_runs_answers_an_empty_list_and_writes_nothing(lab: Lab) -> None:
    assert lab.runs().json() == {"runs": []}
    assert list(lab.ws.home.iterdir()) == []


def test_runs_come_newest_first_with_their_main_metric_and_age(lab: Lab) -> None:
    first = tracking.start_run(lab.ws, "first", {}, {})
    tracking.log_metrics(lab.ws, first, [Metric("val_loss", 0.5, 1, time.time())])
    tracking.log_metrics(lab.ws, first, [Metric("test_accuracy", 0.975, 1, time.time())])
    tracking.finish_run(lab.ws, first, "finished")
    second = tracking.start_run(lab.ws, "second", {}, {})
    reply = lab.runs()
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
    newest, oldest = reply.json()["runs"]
    assert oldest.pop("created") + oldest.pop("age_s") == pytest.approx(time.time(), abs=30)
    assert oldest == {
        "id": first,
        "name": "first",
        "status": "finished",
        "metric": "test_accuracy",
        "value": 0.975,
    }
    assert (newest["id"], newest["status"], newest["metric"], newest["value"]) == (second, "running", None, None)
    tracking.finish_run(lab.ws, second, "failed", "a test ended it")
    assert lab.runs().json()["runs"][0]["status"] == "failed"


@pytest.mark.parametrize("token", [{}, {"Authorization": "token wrong"}])
def test_every_route_refuses_without_the_token(lab: Lab, token: dict[str, str]) -> None:
    asked = 0
    for pattern, handler, _ in routes("/", lab.root):
        for method in ("get", "head", "post", "put", "patch", "delete"):
            if getattr(handler, method) is not getattr(RequestHandler, method):
                reply = httpx.request(method, f"{lab.client.base_url}{pattern.lstrip('/')}", headers=token)
                assert reply.status_code == 403, f"{method} {pattern}"
                assert "runs" not in reply.json()
                asked += 1
    assert asked == 3


def test_a_form_on_another_site_cannot_start_the_dashboard(lab: Lab) -> None:
    with httpx.Client(base_url=lab.client.base_url) as browser:
        browser.get("lab", params={"token": lab.token["Authorization"].split()[1]}).raise_for_status()
        assert browser.get("lepton/api/runs").status_code == 200
        assert browser.post("lepton/api/dashboard").status_code == 403


def test_the_pages_of_deployments_can_be_asked_for_by_name(lab: Lab) -> None:
    assert lab.client.get("lepton/api/dashboard", headers=lab.token).json() == {"deployments": []}
    monitoring.adopt(lab.ws, "far", lab.root.as_uri())
    assert lab.client.get("lepton/api/dashboard", headers=lab.token).json() == {"deployments": ["far"]}
    reply = lab.client.post("lepton/api/dashboard?page=../fleet&name=far", headers=lab.token)
    assert (reply.status_code, set(reply.json())) == (400, {"message"})
    reply = lab.client.post("lepton/api/dashboard?page=none", headers=lab.token)
    assert (reply.status_code, "no dashboard" in reply.json()["message"]) == (404, True)


def test_a_route_that_does_not_exist_answers_404(lab: Lab) -> None:
    assert lab.client.get("lepton/api/elsewhere", headers=lab.token).status_code == 404


def broken(lab: Lab) -> dict[str, Any]:
    reply = lab.runs()
    assert reply.status_code >= 400
    assert set(reply.json()) == {"message"}
    assert "Traceback" not in reply.text
    return {"status": reply.status_code, **json.loads(reply.text)}


def test_a_store_that_is_broken_answers_a_status_and_one_line(lab: Lab) -> None:
    store = lab.ws.mlflow_db
    store.rename(store.with_suffix(".aside"))
    try:
        store.write_bytes(b"this is no database" * 100)
        answer = broken(lab)
        assert answer["status"] == 503
        assert "\n" not in answer["message"]
    finally:
        store.with_suffix(".aside").replace(store)


def test_an_unexpected_fault_is_told_to_the_log_alone(lab: Lab) -> None:
    # A file where the dashboards' folder belongs: an error that no room foresees.
    (lab.ws.home / "dashboard").write_text("in the way")
    reply = lab.client.post("lepton/api/dashboard", headers=lab.token)
    (lab.ws.home / "dashboard").unlink()
    assert reply.status_code == 500
    assert set(reply.json()) == {"message"}
    assert "Error" not in reply.json()["message"]
    assert "Traceback" not in reply.text
    assert "FileExistsError" in lab.log.read_text() or "NotADirectoryError" in lab.log.read_text()
