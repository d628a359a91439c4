"""The app under a real uvicorn and a real `bentoml serve`, where only what a Bento brings can be imported."""

import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

BLOCKED = (
    "torch pytorch_lightning lightning lepton_nb sklearn pandas mlflow onnx skl2onnx scipy pyarrow matplotlib IPython "
    "papermill filelock"
)
ROW = {"age": 1.0, "height": None, "color": "red"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A PYTHONPATH under which what a Bento does not bring cannot be imported."""
    folder = tmp_path_factory.mktemp("bare")
    code = f"""
        import sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {set(BLOCKED.split())!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Absent())
    """
    (folder / "sitecustomize.py").write_text(textwrap.dedent(code))
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def served(tmp_path_factory, bare, make_source, start_server, uvicorn_command):
    folder = tmp_path_factory.mktemp("served")
    source = make_source(folder / "bento")
    environment = {**bare, "LEPTON_TOKEN": "the-token", "LEPTON_MAX_BODY": "200000", "LEPTON_ALLOWED_HOSTS": "a.test"}
    return start_server([*uvicorn_command, "--workers", "2"], source, folder / "log", environment)


@pytest.fixture(scope="module")
def in_bentoml(tmp_path_factory, bare, make_source, start_server):
    folder = tmp_path_factory.mktemp("bentoml")
    source = make_source(folder / "bento")
    service = """
        import bentoml
        from lepton_runtime.asgi import Gate, app

        @bentoml.asgi_app(app, path="/")
        @bentoml.service
        class Model:
            pass

        Model.add_asgi_middleware(Gate)
    """
    (source / "service.py").write_text(textwrap.dedent(service))
    command = [sys.executable, "-m", "bentoml", "serve", "service:Model", "--port", "PORT", "--host", "127.0.0.1"]
    environment = {**bare, "LEPTON_TOKEN": "the-token", "BENTOML_DO_NOT_TRACK": "True"}
    environment |= {"BENTOML_HOME": str(folder / "home"), "LEPTON_MAX_BODY": "200000", "LEPTON_ALLOWED_HOSTS": "a.test"}
    return start_server(command, source, folder / "log", environment)


@pytest.fixture(params=["uvicorn", "bentoml"])
def server(request):
    """The same app in both servers."""
    return request.getfixturevalue("served" if request.param == "uvicorn" else "in_bentoml")


def test_rows_are_answered_and_logged_in_both_servers(server):
    before = len(server.lines())
    with server.client() as client:
        answer = client.post("/predict", json={"rows": [ROW, {"age": None, "height": 2.5, "color": None}]})
    assert answer.status_code == 200
    body = answer.json()
    assert body["version"] == "tiny:v1"
    assert [one["label"] for one in body["predictions"]] == ["no", "yes"]
    first, second = server.lines()[before:]
    assert first["id"] == body["predictions"][0]["id"]
    assert (first["format"], first["slot"], first["version"], first["inputs"]) == (1, "champion", "tiny:v1", ROW)
    assert first["outputs"] == {key: body["predictions"][0][key] for key in ("label", "probabilities")}
    assert 0 < first["latency_ms"] == second["latency_ms"]
    assert abs(first["time"] - time.time()) < 60


def test_health_needs_neither_token_nor_host_in_both_servers(server):
    with server.client(token="") as client:
        for path in ("/livez", "/readyz"):
            assert client.get(path, headers={"host": "evil.test"}).status_code == 200


@pytest.mark.parametrize("path", ["/signature", "/metrics", "/predict", "/nothing"])
def test_everything_else_needs_the_token_and_a_known_host_in_both_servers(server, path):
    method = "POST" if path == "/predict" else "GET"
    with server.client() as client:
        answer = client.request(method, path, headers={"host": "evil.test"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_host")
        for header in ("", "Bearer", "Bearer wrong", "Basic the-token", "Bearer the-token2"):
            answer = client.request(method, path, headers={"authorization": header})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        for host in ("localhost", "localhost:80", "[::1]:80", "A.test"):
            assert client.request(method, path, headers={"host": host}).status_code not in (401, 403)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"rows": [{"age": "3", "height": 1, "color": "red"}]}', {}, 422, "invalid_row"),
        (b'{"rows": [{"age": NaN, "height": 1, "color": "red"}]}', {}, 400, "not_finite"),
        (b"{", {}, 400, "invalid_json"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_type"),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, 415, "unsupported_type"),
        (b"{}", {"content-encoding": "gzip"}, 415, "unsupported_type"),
        (b" " * 200_001, {}, 413, "body_too_large"),
        (b" " * 20_000_000, {}, 413, "body_too_large"),
    ],
    ids=["text number", "NaN", "torn", "type", "charset", "encoding", "large", "very large"],
)
def test_an_unanswerable_request_is_refused_and_logged_in_both_servers(server, content, headers, status, code):
    before = len(server.lines())
    with server.client() as client:
        answer = client.post("/predict", content=content, headers={"content-type": "application/json", **headers})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    (line,) = server.lines()[before:]
    assert (line["error"], line["status"], "inputs" in line) == (code, status, False)


def test_a_chunked_body_is_limited_too(served):
    def chunks():
        for _ in range(30):
            yield b" " * 10_000

    with served.client() as client:
        answer = client.post("/predict", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the most memory so far is told by Linux alone")
@pytest.mark.parametrize("length", [{"content-length": "100000000"}, {}], ids=["stated", "chunked"])
def test_a_body_of_100_mb_is_refused_without_being_held(served, running_children, length):
    def chunks():
        for _ in range(100):
            yield b" " * 1_000_000

    def memory(name):
        """In MB, of each worker."""
        return [int(one.read_text().split(f"{name}:")[1].split()[0]) * 1024 / 1e6 for one in states]

    workers = running_children(served.process.pid, "spawn_main", at_least=2)
    states = [Path(f"/proc/{worker.pid}/status") for worker in workers]
    for state in states:
        # The most memory so far (VmHWM) is measured from here on.
        state.with_name("clear_refs").write_text("5")
    before = memory("VmRSS")
    with served.client() as client:
        answer = client.post("/predict", content=chunks(), headers={"content-type": "application/json", **length})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert max(most - rest for most, rest in zip(memory("VmHWM"), before, strict=True)) <= 5


def test_a_body_worth_a_thread_is_answered_like_a_small_one(served):
    with served.client() as client:
        answer = client.post("/predict", json={"rows": [ROW] * 2000})
    assert {one["label"] for one in answer.json()["predictions"]} == {"no"}
    assert len({one["id"] for one in answer.json()["predictions"]}) == 2000


def test_unknown_paths_and_methods_are_refused_as_objects(served):
    with served.client() as client:
        assert client.get("/nothing").json() == {"error": {"code": "not_found", "message": "GET /nothing: Not Found"}}
        answer = client.get("/predict")
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_the_signature_says_what_is_served(served, table_signature):
    with served.client() as client:
        assert client.get("/signature").json() == {"version": "tiny:v1", **table_signature.to_dict()}


def test_requests_are_counted_under_bentomls_names_in_both_servers(server):
    with server.client() as client:
        client.post("/predict", json={"rows": [ROW]})
        text = client.get("/metrics").text
    counted = [line for line in text.splitlines() if line.startswith("bentoml_service_request_total{")]
    assert any('endpoint="/predict"' in line and 'http_response_code="200"' in line for line in counted)
    assert "bentoml_service_request_duration_seconds_bucket{" in text


def test_both_workers_see_the_sum_of_all_answers(served):
    def total(client):
        wanted = 'bentoml_service_request_total{endpoint="/signature",'
        lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(wanted)]
        return sum(int(line.rpartition(" ")[2]) for line in lines if 'code="405"' in line)

    # A connection stays with one worker: each of these is a new one.
    for _ in range(20):
        with served.client() as client:
            assert client.delete("/signature").status_code == 405
    # The counts of the other worker are about a second old.
    deadline, seen = time.monotonic() + 30, set()
    while time.monotonic() < deadline and seen != {20}:
        time.sleep(0.3)
        seen = set()
        for _ in range(8):
            with served.client() as client:
                seen.add(total(client))
    assert seen == {20}


def test_what_a_killed_worker_answered_is_on_the_log(served, running_children):
    answered, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                with served.client() as client:
                    for _ in range(20):
                        body = client.post("/predict", json={"rows": [ROW]}).json()
                        answered.append(body["predictions"][0]["id"])
            except httpx.HTTPError:
                continue

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(3):
            time.sleep(0.4)
            running_children(served.process.pid, "spawn_main", at_least=1)[0].kill()
            time.sleep(0.6)
    finally:
        stop.set()
        asker.join()
    logged = set()
    for path in served.log_dir.glob("log-*"):
        whole, _, _ = path.read_text().rpartition("\n")
        logged |= {line.split('"id":"')[1][:36] for line in whole.splitlines()}
    assert len(answered) > 10
    assert set(answered) <= logged


def test_workers_that_are_killed_while_they_start_are_started_again(
    tmp_path, bare, make_source, start_server, running_children
):
    source = make_source(tmp_path / "bento")
    command = [sys.executable, "-m", "lepton_runtime", "--port", "PORT", "--workers", "2"]
    server = start_server(command, source, tmp_path / "log", {**bare, "LEPTON_OPEN": "1"})
    for _ in range(3):
        # Those that take their place are killed as soon as they are there: none of them has answered anything.
        workers = running_children(server.process.pid, "spawn_main", at_least=2)
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=10)
    with server.client() as client:
        assert client.post("/predict", json={"rows": [ROW]}).status_code == 200


def test_workers_end_with_a_killed_supervisor(tmp_path, bare, make_source, start_server, uvicorn_command):
    source = make_source(tmp_path / "bento")
    environment = {**bare, "LEPTON_OPEN": "1"}
    server = start_server([*uvicorn_command, "--workers", "2"], source, tmp_path / "log", environment)
    workers = psutil.Process(server.process.pid).children()
    os.kill(server.process.pid, signal.SIGKILL)
    _, left = psutil.wait_procs(workers, timeout=15)
    assert not left
