"""Events arrive at least once each, in order, however long a webhook is dead and whoever is killed."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from lepton_nb.monitoring import evaluate_alerts, monitor
from lepton_nb.monitoring.alerts import delivering
from lepton_nb.processes import free_port

NOW = time.time()  # each test sets its own: see conftest


class Hook:
    """A webhook on loopback: what it was sent, and what it answers."""

    def __init__(self, port: int = 0) -> None:
        self.got: list[tuple[dict, dict]] = []
        self.answers: list[int] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                hook.got.append((body, {name.lower(): value for name, value in self.headers.items()}))
                status = hook.answers.pop(0) if hook.answers else 204
                self.send_response(status)
                if status == 307:
                    self.send_header("location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(body["alert"], body["event"]) for body, _ in self.got]


def asked(one, port, *, alerts="{busy: requests > 0, busier: requests > 1}", headers=""):
    text = f"alerts: {alerts}\ndeliver: {{ops: {{webhook: 'http://127.0.0.1:{port}/hook'{headers}}}}}\n"
    (one.folder / "alerts.yml").write_text(text)
    return one


def test_a_dead_webhook_is_tried_again_ever_more_rarely_and_loses_nothing(logged):
    port = free_port()
    one = asked(logged(), port)
    one.answer(one.rows(1))
    first, _ = evaluate_alerts(one.ws, one.name, now=NOW)
    assert (first.status, first.waiting) == ("firing", 1)
    assert first.trouble.startswith("ops: ConnectError")
    one.answer(one.rows(1))
    evaluate_alerts(one.ws, one.name, now=NOW + 5)
    moments = [json.loads((one.folder / "alerts" / "state.json").read_bytes())["outbox"][0]["next"] - NOW]
    for moment in (11, 32, 73):
        evaluate_alerts(one.ws, one.name, now=NOW + moment)
        moments.append(json.loads((one.folder / "alerts" / "state.json").read_bytes())["outbox"][0]["next"] - NOW)
    assert moments == pytest.approx([10, 31, 72, 153])
    reasons = monitor(one.ws, one.name).reasons
    assert any("alert busy is not delivered: ops: ConnectError" in reason for reason in reasons)
    with Hook(port) as hook:
        evaluate_alerts(one.ws, one.name, now=NOW + 100)
        assert hook.got == []
        found = evaluate_alerts(one.ws, one.name, now=NOW + 154)
        assert hook.told == [("busy", "firing"), ("busier", "firing")]
        assert [alert.waiting for alert in found] == [0, 0]
        evaluate_alerts(one.ws, one.name, now=NOW + 9999)
        assert len(hook.got) == 2


def test_what_is_refused_comes_again_under_the_same_id(logged):
    with Hook() as hook:
        one = asked(logged(), hook.port, alerts="{busy: requests > 0}")
        hook.answers = [500]
        one.answer(one.rows(1))
        (found,) = evaluate_alerts(one.ws, one.name, now=NOW)
        assert found.trouble == "ops: it answered 500"
        evaluate_alerts(one.ws, one.name, now=NOW + 11)
        (first, headers), (second, again) = hook.got
        assert first == second
        assert headers["idempotency-key"] == again["idempotency-key"] == first["id"]


def test_a_redirect_is_not_followed(logged):
    with Hook() as hook:
        one = asked(logged(), hook.port, alerts="{busy: requests > 0}")
        hook.answers = [307]
        one.answer(one.rows(1))
        (found,) = evaluate_alerts(one.ws, one.name, now=NOW)
        assert found.trouble == "ops: it answered 307"
        assert len(hook.got) == 1


@contextmanager
def dribbling(before: bytes):
    """A webhook that sends this at once, and then a byte at a time for ever; gives its port."""
    ended, server = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(before)
            while not ended.wait(0.05):
                connection.sendall(b"x")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        thread.join()
        server.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("before", "waiting", "trouble"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", 0, ""),
        (b"HTTP/1.1 200 OK\r\nx-slow: ", 1, "ops: it did not answer within 0.5 s"),
    ],
)
def test_a_webhook_that_answers_drop_by_drop_holds_up_nobody(logged, monkeypatch, before, waiting, trouble):
    monkeypatch.setattr(delivering, "_TIMEOUT_S", 0.5)
    with dribbling(before) as port:
        one = asked(logged(), port, alerts="{busy: requests > 0}")
        one.answer(one.rows(1))
        (found,) = evaluate_alerts(one.ws, one.name)
    assert (found.waiting, found.trouble) == (waiting, trouble)


def test_deployments_that_share_a_prometheus_file_leave_each_other_s_lines(logged):
    shop, bank = logged("shop"), logged("bank")
    for one in (shop, bank, shop):
        (one.folder / "alerts.yml").write_text(
            "alerts: {busy: requests > 0}\ndeliver: {node: {prometheus: both.prom}}\n"
        )
        one.answer(one.rows(1))
        evaluate_alerts(one.ws, one.name)
    lines = (shop.ws.root / "both.prom").read_text().splitlines()[2:]
    assert sorted(lines) == [
        f'lepton_alert_firing{{deployment="{name}",alert="busy",severity="warning"}} 1' for name in ("bank", "shop")
    ]


def test_a_channel_that_is_dead_holds_up_no_other(logged):
    with Hook() as hook:
        one = logged()
        channels = f"{{dead: {{webhook: 'http://127.0.0.1:{free_port()}/'}}, ops: {{webhook: 'http://127.0.0.1:{hook.port}/'}}}}"
        (one.folder / "alerts.yml").write_text(f"alerts: {{busy: requests > 0}}\ndeliver: {channels}\n")
        one.answer(one.rows(1))
        (found,) = evaluate_alerts(one.ws, one.name)
        assert hook.told == [("busy", "firing")]
        assert found.waiting == 1


def test_a_secret_is_sent_and_written_nowhere(logged, monkeypatch):
    monkeypatch.setenv("OPS_TOKEN", "Bearer 5up3r-s3cret")
    with Hook() as hook:
        one = asked(logged(), hook.port, headers=", headers: {authorization: 'secret:OPS_TOKEN'}")
        one.answer(one.rows(2))
        evaluate_alerts(one.ws, one.name)
        assert {headers["authorization"] for _, headers in hook.got} == {"Bearer 5up3r-s3cret"}
        hook.answers = [500]
    shown = monitor(one.ws, one.name)
    for path in one.folder.rglob("*"):
        assert not path.is_file() or b"5up3r-s3cret" not in path.read_bytes()
    assert "5up3r-s3cret" not in json.dumps(shown.to_json())


def test_an_address_may_be_a_secret_and_is_not_told_when_it_fails(logged, monkeypatch):
    address = f"http://127.0.0.1:{free_port()}/services/T0P5ECRET"
    monkeypatch.setenv("HOOK_ADDRESS", address)
    one = logged()
    text = "alerts: {busy: requests > 0}\ndeliver: {ops: {webhook: 'secret:HOOK_ADDRESS'}}\n"
    (one.folder / "alerts.yml").write_text(text)
    one.answer(one.rows(1))
    (found,) = evaluate_alerts(one.ws, one.name, now=NOW)
    assert found.waiting == 1
    assert "T0P5ECRET" not in found.trouble
    monkeypatch.setenv("HOOK_ADDRESS", "file:///etc/passwd")
    (found,) = evaluate_alerts(one.ws, one.name, now=NOW + 11)
    assert found.trouble == "ops: the secret of channel ops is no address"


def test_a_secret_that_is_not_there_is_a_delivery_that_waits(logged):
    with Hook() as hook:
        one = asked(logged(), hook.port, headers=", headers: {authorization: 'secret:NOT_THERE_AT_ALL'}")
        one.answer(one.rows(1))
        found, _ = evaluate_alerts(one.ws, one.name)
        assert found.trouble == "ops: no secret NOT_THERE_AT_ALL"
        assert hook.got == []


@contextmanager
def child_that(action):
    """A process that does this and is killed by it."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(1)
    yield pid
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), status


def test_killed_after_sending_it_is_sent_again_with_its_id_and_the_rest_follows(logged, monkeypatch):
    with Hook() as hook:
        one = asked(logged(), hook.port)
        one.answer(one.rows(1))
        one.answer(one.rows(1))

        def killed():
            post = delivering._post

            def posted(*args):
                post(*args)
                os.kill(os.getpid(), signal.SIGKILL)

            delivering._post = posted
            evaluate_alerts(one.ws, one.name)

        with child_that(killed):
            pass
        assert hook.told == [("busy", "firing")]
        found = evaluate_alerts(one.ws, one.name)
        assert hook.told == [("busy", "firing"), ("busy", "firing"), ("busier", "firing")]
        assert hook.got[0][0]["id"] == hook.got[1][0]["id"] != hook.got[2][0]["id"]
        assert [alert.waiting for alert in found] == [0, 0]
        evaluate_alerts(one.ws, one.name)
        assert len(hook.got) == 3


def test_killed_before_sending_nothing_is_lost(logged, monkeypatch):
    with Hook() as hook:
        one = asked(logged(), hook.port, alerts="{busy: requests > 0}")
        one.answer(one.rows(1))

        def killed():
            delivering._send = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            evaluate_alerts(one.ws, one.name)

        with child_that(killed):
            pass
        assert hook.got == []
        evaluate_alerts(one.ws, one.name)
        assert hook.told == [("busy", "firing")]


def test_several_that_look_at_once_tell_it_once(logged):
    with Hook() as hook:
        one = asked(logged(), hook.port, alerts="{busy: requests > 0}")
        one.answer(one.rows(1))
        children = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                try:
                    evaluate_alerts(one.ws, one.name)
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
        evaluate_alerts(one.ws, one.name)
        assert hook.told == [("busy", "firing")]
