"""A real Voila: loopback, behind its token, without sources and tracebacks."""

from __future__ import annotations

import http.client
import json
import socket
import stat
from urllib.parse import urlsplit

import nbformat
import psutil
import pytest

from lepton_nb import dashboards
from lepton_nb.dashboards import door, framed, launch, launcher, page_path, stop
from lepton_nb.dashboards.question import PAGES
from lepton_nb.errors import ConflictError, NotFoundError, ServingError, UsageError
from lepton_nb.processes import identify
from lepton_nb.records import Dashboard
from lepton_nb.workspace import Workspace

SECRET = "the line that fails"


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A running dashboard whose page fails; launched as every page is."""
    folder = tmp_path_factory.mktemp("pages")
    cells = [nbformat.v4.new_code_cell(f"raise ValueError({SECRET!r})")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "broken.ipynb")
    ws = Workspace(tmp_path_factory.mktemp("project") / ".lepton")
    plain = launcher.page_path
    limited = pytest.MonkeyPatch()
    limited.setenv("LEPTON_DASHBOARD_VIEWERS", "1")
    launcher.page_path = lambda page: folder / "broken.ipynb" if page == "broken" else plain(page)
    try:
        yield ws, launch(ws, "broken")
    finally:
        stop(ws, "broken")
        launcher.page_path = plain
        limited.undo()


def _ask(dashboard, path="/", **headers):
    url = urlsplit(dashboard.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read().decode(errors="replace")


def _token(dashboard):
    return dashboard.token_file.read_text()


def test_without_the_token_the_page_is_refused(broken):
    _, dashboard = broken
    for headers in ({}, {"Authorization": "token wrong"}):
        answer, body = _ask(dashboard, **headers)
        assert answer.status in (302, 403)
        assert answer.status == 403 or "/login" in answer.headers["Location"]
        assert SECRET not in body
    answer, _ = _ask(dashboard, "/?token=wrong")
    assert answer.status in (302, 403)
    for path in ("/api/kernels/00000000-0000-0000-0000-000000000000", "/voila/files/broken.ipynb"):
        assert _ask(dashboard, path)[0].status in (302, 403, 404)


def test_sources_are_stripped_and_a_traceback_is_hidden(broken):
    _, dashboard = broken
    answer, body = _ask(dashboard, Authorization=f"token {_token(dashboard)}")
    assert answer.status in (200, 500)
    assert SECRET not in body
    assert "ValueError" not in body
    assert "Traceback" not in body


def test_the_token_is_led_out_of_the_address_and_what_is_asked_stays(broken):
    _, dashboard = broken
    answer, _ = _ask(dashboard, f"/broken?token={_token(dashboard)}&name=churn&since=1h&other=1")
    assert (answer.status, answer.headers["Location"]) == (302, "/broken?name=churn&since=1h")
    assert "HttpOnly" in answer.headers["Set-Cookie"]


def test_when_as_many_pages_are_open_as_may_be_the_next_one_is_told_so(broken):
    _, dashboard = broken
    headers = {"Authorization": f"token {_token(dashboard)}"}
    _ask(dashboard, **headers)
    answer, body = _ask(dashboard, "/broken", **headers)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert "1 pages are open, and this machine lets 1 be open at once" in body
    assert "LEPTON_DASHBOARD_VIEWERS" in body


def test_pages_and_files_that_are_none_are_refused(broken):
    _, dashboard = broken
    headers = {"Authorization": f"token {_token(dashboard)}"}
    for path in ("/other", "/voila/tree", "/voila/render/broken.ipynb", "/voila/api/contents/", "/notebook/1/step"):
        assert _ask(dashboard, path, **headers)[0].status == 404
    assert _ask(dashboard, "/voila/files/broken.ipynb", **headers)[0].status == 403
    assert _ask(dashboard, "/notebook/1/step")[0].status in (302, 403)


def test_a_foreign_host_is_refused_and_the_page_may_fetch_nothing_from_elsewhere(broken):
    _, dashboard = broken
    answer, _ = _ask(dashboard, "/login", Host="evil.example")
    assert answer.status == 403
    answer, _ = _ask(dashboard, "/login")
    policy = dict(one.strip().split(" ", 1) for one in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == "'self'"


def _ancestors(dashboard):
    answer, _ = _ask(dashboard, "/broken", Authorization=f"token {_token(dashboard)}")
    policy = dict(one.strip().split(" ", 1) for one in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == "'self'"
    return policy["frame-ancestors"]


def test_only_an_origin_of_this_machine_that_asked_may_frame_a_page(broken):
    _, dashboard = broken
    assert _ancestors(dashboard) == "'self'"
    for origin in ("", "null", "https://evil.example", "http://localhost.evil.example", "http://localhost:1; x", "*"):
        assert framed(dashboard, origin) == ""
    assert _ancestors(dashboard) == "'self'"
    port = urlsplit(dashboard.url).port
    assert framed(dashboard, "http://localhost:8888") == f"http://localhost:{port}/?token={_token(dashboard)}"
    assert framed(dashboard, "http://127.0.0.1:8889") == dashboard.open_url
    assert _ancestors(dashboard) == "'self' http://localhost:8888 http://127.0.0.1:8889"
    (dashboard.token_file.parent / "frames.json").write_text(
        '{"format": 1, "origins": ["*", 1, "https://evil.example"]}'
    )
    assert _ancestors(dashboard) == "'self'"


def test_the_token_is_not_sent_to_a_host_name_that_another_server_answers_at(broken):
    _, dashboard = broken
    if not socket.has_ipv6:
        pytest.skip("this machine has no second loopback address")
    with socket.socket(socket.AF_INET6) as squatter:
        squatter.bind(("::1", urlsplit(dashboard.url).port))
        squatter.listen()
        assert framed(dashboard, "http://localhost:8888") == ""
        assert framed(dashboard, "http://127.0.0.1:8888") == dashboard.open_url


def test_it_listens_on_loopback_alone(broken):
    _, dashboard = broken
    listening = [c.laddr.ip for c in psutil.Process(dashboard.pid).net_connections("inet") if c.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}


def test_the_token_is_shown_nowhere(broken):
    _, dashboard = broken
    folder, token = dashboard.token_file.parent, _token(dashboard)
    assert len(token) >= 32
    assert stat.S_IMODE(dashboard.token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    others = [path for path in folder.iterdir() if path.name != "token"]
    assert {path.name for path in others} >= {"dashboard.json", "log", "voila.json"}
    assert not [path for path in others if token in path.read_text(errors="replace")]
    process = psutil.Process(dashboard.pid)
    assert token not in " ".join(process.cmdline())
    assert token not in json.dumps(process.environ())
    assert token not in json.dumps(dashboard.to_json()) + dashboard.as_text() + str(dashboard) + repr(dashboard)
    assert dashboard.open_url == f"{dashboard.url}?token={token}"


def test_a_browser_is_led_in_by_a_private_file(broken):
    _, dashboard = broken
    path = door(dashboard)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f'url={dashboard.open_url}"' in path.read_text()
    assert _token(dashboard) not in path.as_uri()


def test_one_that_runs_is_reused_and_keeps_its_port(broken):
    ws, dashboard = broken
    assert launch(ws, "broken") == dashboard
    assert launch(ws, "broken", port=urlsplit(dashboard.url).port) == dashboard
    with pytest.raises(ConflictError, match=r"runs at .* next: lepton stop broken"):
        launch(ws, "broken", port=1)


def test_a_port_in_use_names_its_process_and_changes_nothing(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConflictError, match=f"in use by .*pid {psutil.Process().pid}"):
            launch(ws, port=taken.getsockname()[1])
    assert not list(ws.home.rglob("token"))


def test_a_page_that_does_not_exist_is_named_with_those_that_do(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    with pytest.raises(NotFoundError, match=r"no dashboard 'other'.*deployment, fleet, pipelines, training"):
        launch(ws, "other")
    with pytest.raises(UsageError):
        launch(ws, "../deployments")
    with pytest.raises(NotFoundError, match="does not run"):
        stop(ws, "deployments")
    assert not ws.home.exists()


def test_a_server_that_ends_at_once_says_why(tmp_path, monkeypatch):
    ws = Workspace(tmp_path / ".lepton")
    monkeypatch.setattr(launcher, "_OPTIONS", ("--Voila.port_retries=nonsense",))
    with pytest.raises(ServingError, match=r"did not start .*port_retries"):
        launch(ws)


@pytest.mark.parametrize("page", PAGES)
def test_a_shipped_page_has_one_cell_that_calls_the_package(page):
    notebook = nbformat.read(page_path(page), as_version=4)
    nbformat.validate(notebook)
    (cell,) = notebook.cells
    assert cell.source.splitlines()[-1] == f"lepton_nb.dashboards.{page}()"
    assert cell.outputs == []
    assert notebook.metadata.voila.template == "lepton"
    assert callable(getattr(dashboards, page))


def test_the_fleet_is_found_under_the_name_that_it_had(tmp_path):
    assert page_path("deployments") == page_path("fleet")
    assert not dashboards.is_running(Workspace(tmp_path / ".lepton"), "deployments")


def test_another_page_of_a_running_server_is_beside_the_first(tmp_path, monkeypatch):
    ws = Workspace(tmp_path / ".lepton")
    me, folder = identify(), ws.home / "dashboard" / "fleet"
    running = Dashboard("fleet", "running", "http://127.0.0.1:1/", me.pid, folder / "token")
    launcher._write(folder, running, me, page_path("fleet").parent)
    (folder / "token").write_text("secret")
    monkeypatch.setattr(launcher, "_start", lambda *arguments: pytest.fail("a second server"))
    assert launch(ws) == launch(ws, "deployments") == running
    beside = launch(ws, "training")
    assert (beside.name, beside.url) == ("fleet", "http://127.0.0.1:1/training")
    assert 'url=http://127.0.0.1:1/training?token=secret&amp;since=1h"' in door(beside, since="1h", name="").read_text()
