import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time

import httpx
import numpy as np
import psutil
import pytest

from lepton_nb.errors import ConflictError, FormatError, NotFoundError, ServingError, UsageError
from lepton_nb.processes import Identity, is_alive
from lepton_nb.runtime import read_slots
from lepton_nb.serving import deployments, get, predict, serve, stop

ROWS = [{"age": 1.0, "height": None, "color": "red"}, {"age": None, "height": 2.5, "color": "never seen"}]


@pytest.fixture(scope="module")
def served(served_ws, bento):
    return serve(served_ws, bento, workers=2)


def test_a_served_bento_answers_over_http_with_the_probabilities_of_its_model(served_ws, served, answer_by_hand):
    answer = predict(served_ws, served, ROWS)
    assert answer.model == "tiny:v1"
    assert answer.labels == ("yes", "no")
    wanted = [answer_by_hand(1.0, "red"), answer_by_hand(None, None)]
    assert np.abs(np.array(answer.probabilities) - wanted).max() < 1e-6
    assert len(set(answer.ids)) == 2


def test_a_deployment_is_named_after_its_bento_and_is_found_by_name(served_ws, served):
    assert served.name == "tiny"
    assert get(served_ws, "tiny") == served
    assert [one.name for one in deployments(served_ws).deployments] == ["tiny"]
    assert read_slots(served.path / "slots.json")["champion"].bento == "tiny:v1"


def test_every_answered_row_is_on_the_log_of_the_deployment(served_ws, served):
    answer = predict(served_ws, served, ROWS)
    lines = [json.loads(line) for path in served.path.glob("log-*.jsonl") for line in path.read_text().splitlines()]
    logged = {line["id"]: line for line in lines}
    assert [logged[one]["inputs"] for one in answer.ids] == ROWS
    assert logged[answer.ids[0]]["version"] == "tiny:v1"


def test_only_this_user_can_read_the_token_and_the_log(served_ws, served):
    predict(served_ws, served, ROWS)
    private = [served.token_file, served.path / "server.log", *served.path.glob("log-*.jsonl")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600] * len(private)
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o700


def test_the_token_is_never_shown(served):
    token = served.token_file.read_text()
    shown = [str(served), served.as_text(), repr(served), json.dumps(served.to_json())]
    shown += [(served.path / name).read_text() for name in ("deployment.json", "server.log", "slots.json")]
    assert not any(token in text for text in shown)


def test_a_request_without_the_token_is_refused(served):
    answer = httpx.post(f"{served.url}/predict", json={"rows": ROWS}, trust_env=False)
    assert answer.status_code == 401


def test_a_second_deployment_of_a_running_name_is_refused(served_ws, served, bento):
    with pytest.raises(ConflictError, match=f"'tiny' is running at {served.url}; next: lepton stop tiny"):
        serve(served_ws, bento)


def test_the_counters_name_the_deployment_and_its_version(served_ws, served):
    headers = {"authorization": f"Bearer {served.token_file.read_text()}"}
    with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as client:
        # A worker leaves its counts to the others about once a second: the one asked may have answered nothing yet.
        deadline = time.monotonic() + 20
        while 'service_name="tiny",service_version="v1"' not in (text := client.get("/metrics").text):
            assert time.monotonic() < deadline, text
            time.sleep(0.1)


def test_serving_a_bento_does_not_change_its_files(served, bento):
    assert not list(bento.path.rglob("__pycache__"))


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_deployment_outlives_its_starter_and_stop_ends_it_with_its_workers(ws, bento):
    script = f"""
        from pathlib import Path
        from lepton_nb.records import Bento
        from lepton_nb.serving import serve
        from lepton_nb.workspace import Workspace
        bento = Bento("tiny:v1", Path({str(bento.path)!r}), "run-1", "", 0, 0.0)
        serve(Workspace(Path({str(ws.home)!r})), bento, name="left-behind", workers=2)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    deployment = get(ws, "left-behind")
    assert deployment.status == "running"
    assert len(predict(ws, deployment, ROWS).labels) == 2
    family = psutil.Process(deployment.pid).children(recursive=True)
    assert len(family) >= 2
    assert stop(ws, "left-behind").status == "stopped"
    assert not is_alive(Identity(deployment.pid, deployment.started))
    assert not any(lives(process) for process in family)
    assert get(ws, "left-behind").status == "stopped"
    with pytest.raises(ServingError, match="'left-behind' is stopped"):
        predict(ws, deployment, ROWS)


def test_a_killed_deployment_is_found_failed_leaves_no_worker_and_can_be_served_again(ws, bento):
    first = serve(ws, bento, workers=2)
    server = psutil.Process(first.pid)
    family = server.children(recursive=True)
    os.kill(first.pid, signal.SIGKILL)
    psutil.wait_procs([server], timeout=10)
    found = get(ws, "tiny")
    assert found.status == "failed"
    assert f"process {first.pid} has ended" in found.cause
    assert json.loads((found.path / "deployment.json").read_text())["status"] == "failed"
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left
    assert stop(ws, "tiny").status == "failed"
    second = serve(ws, bento, port=int(first.url.rpartition(":")[2]))
    assert second.url == first.url
    assert len(predict(ws, second, ROWS).labels) == 2


def test_of_two_starts_under_one_name_at_once_one_wins(ws, bento):
    outcomes = []

    def start():
        try:
            outcomes.append(serve(ws, bento).status)
        except ConflictError:
            outcomes.append("refused")

    starts = [threading.Thread(target=start) for _ in range(2)]
    for one in starts:
        one.start()
    for one in starts:
        one.join()
    assert sorted(outcomes) == ["refused", "running"]


def test_a_server_is_not_handed_the_secrets_of_its_starter(ws, bento, monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "hidden")
    monkeypatch.setenv("LEPTON_OPEN", "1")
    monkeypatch.setenv("LEPTON_MAX_BODY", "12345")
    environment = psutil.Process(serve(ws, bento).pid).environ()
    assert environment["LEPTON_MAX_BODY"] == "12345"
    assert not {"SOME_SECRET", "LEPTON_OPEN"} & environment.keys()
    token = (ws.deployment("tiny") / "token").read_text()
    assert token not in environment.values()


def test_a_killed_worker_is_replaced(ws, bento, running_children):
    deployment = serve(ws, bento, workers=2)
    workers = running_children(deployment.pid, "spawn_main", at_least=2)
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, timeout=10)
    # The port stays open in the supervisor, so the request waits for a new worker.
    assert len(predict(ws, deployment, ROWS).labels) == 2


def test_a_port_in_use_names_the_process_and_changes_nothing(ws, bento):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConflictError, match=rf"port \d+ is in use by .*pid {os.getpid()}"):
            serve(ws, bento, port=taken.getsockname()[1])
    assert not ws.home.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "../x"}, r"deployment name '../x' is not allowed"),
        ({"host": "0.0.0.0"}, r"host '0.0.0.0' is not served; expected 127.0.0.1 or localhost"),
        ({"port": 70000}, r"port 70000 is not a TCP port"),
        ({"workers": 0}, r"0 workers cannot serve"),
    ],
)
def test_options_that_are_not_allowed_are_refused_and_change_nothing(ws, bento, options, message):
    with pytest.raises(UsageError, match=message):
        serve(ws, bento, **options)
    assert not ws.home.exists()


def test_a_bento_whose_model_was_changed_is_not_served(ws, tmp_path, make_tiny_bento):
    bento = make_tiny_bento(tmp_path / "changed", "changed:v1")
    with (bento.model / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ServingError, match=r"changed:v1 cannot be served.*model\.onnx.*SHA-256 differs"):
        serve(ws, bento)
    assert not ws.home.exists()


def test_a_server_that_does_not_start_says_why_and_is_recorded_as_failed(ws, tmp_path, make_tiny_bento):
    bento = make_tiny_bento(tmp_path / "broken", "broken:v1")
    (bento.path / "src" / "lepton_runtime" / "asgi.py").write_text("raise ValueError('the reason')\n")
    with pytest.raises(ServingError, match=r"broken:v1 did not start; got ValueError: the reason; next: read .*log"):
        serve(ws, bento)
    assert get(ws, "broken").status == "failed"
    assert get(ws, "broken").cause == "ValueError: the reason"


def test_an_unknown_deployment_is_an_error_that_lists_what_there_is(served_ws, served, ws):
    with pytest.raises(NotFoundError, match=r"no deployment 'nothing'; expected one of tiny; next"):
        get(served_ws, "nothing")
    with pytest.raises(NotFoundError, match=r"no deployment 'nothing'; next: lepton serve"):
        stop(ws, "nothing")
    with pytest.raises(UsageError, match=r"'\.\./tiny' is not allowed"):
        get(ws, "../tiny")
    assert not ws.home.exists()


def record(**changed):
    whole = {"format": 1, "name": "broken", "status": "running", "url": "", "bento": "b:1", "pid": 1, "workers": 1}
    return json.dumps({**whole, "started": 1.0, "created": 1.0, **changed})


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"format": 1}',
        '{"format": 2}',
        '{"format": 1, "status": "fine"}',
        '{"format": 1e400}',
        "[" * 100_000,
        record(pid=1).replace('"pid": 1', '"pid": 1e400'),
        record(pid=-5),
        record(pid=0),
        record(pid=2**40),
        record(started=float("nan")),
        record(created=1e300),
        record(workers=float("inf")),
        record(workers=None),
    ],
)
def test_a_broken_record_does_not_hide_the_other_deployments(ws, content):
    ws.deployment("broken").mkdir(parents=True)
    (ws.deployment("broken") / "deployment.json").write_text(content)
    ws.deployment("sound").mkdir(parents=True)
    (ws.deployment("sound") / "deployment.json").write_text(record(name="sound", status="stopped"))
    one, other = deployments(ws).deployments
    assert (other.name, other.status) == ("sound", "stopped")
    assert (one.name, one.status) == ("broken", "failed")
    assert "deployment.json" in one.cause
    assert "deployment.json" in deployments(ws).as_text()
    for face in (get, stop):
        with pytest.raises(FormatError, match=r"broken.deployment\.json.*next: (end its server .*remove .*|upgrade)"):
            face(ws, "broken")
