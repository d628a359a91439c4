"""Another model takes the place of the first while 32 connections ask, and processes are killed meanwhile."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import time

import httpx
import psutil
import pytest

from lepton_nb.errors import ServingError, UsageError
from lepton_nb.runtime import CHAMPION, Output, Plan, Slot, manifest_of, read_signature
from lepton_nb.serving import deployments, get, logs, promote, rollback, serve, stop
from lepton_nb.serving.promoting import _check_answers

ROW = {"age": 1.0, "height": None, "color": "red"}
TIMES = 20


def headers_of(deployment) -> dict[str, str]:
    return {"authorization": f"Bearer {deployment.token_file.read_text()}"}


async def asked(deployment, during, connections: int = 32) -> list[tuple[int, str]]:
    """Status and version of every answer while `during` runs in a thread."""
    seen, stopped = [], asyncio.Event()
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(
        base_url=deployment.url, headers=headers_of(deployment), limits=limits, trust_env=False, timeout=30
    ) as client:

        async def ask():
            while not stopped.is_set():
                answer = await client.post("/predict", json={"rows": [ROW, ROW]})
                seen.append((answer.status_code, answer.json().get("version", "")))

        askers = [asyncio.create_task(ask()) for _ in range(connections)]
        try:
            await asyncio.to_thread(during)
        finally:
            stopped.set()
            await asyncio.gather(*askers)
    return seen


def sign(bento, signature) -> None:
    """Give a Bento another signature."""
    (bento.model / "signature.json").write_text(json.dumps(signature))
    (bento.model / "manifest.json").unlink()
    manifest = manifest_of(bento.model, run="r", data="d").to_dict()
    (bento.model / "manifest.json").write_text(json.dumps(manifest))


def test_promoting_and_rolling_back_fails_no_request_under_load(ws, bento, other_bento):
    deployment = serve(ws, bento, workers=2)

    def change():
        for turn in range(TIMES):
            if turn % 2:
                rollback(ws, deployment.name, why="worse")
            else:
                promote(ws, deployment.name, other_bento, why="better")

    seen = asyncio.run(asked(deployment, change))
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {bento.tag, other_bento.tag}
    assert get(ws, deployment.name).bento == bento.tag
    history = [json.loads(line) for line in (deployment.path / "slots-history.jsonl").read_text().splitlines()]
    assert [one["action"] for one in history] == ["promote", "rollback"] * (TIMES // 2)
    assert {one["why"] for one in history} == {"better", "worse"}
    versions = {json.loads(line)["version"] for file in deployment.path.glob("log-*") for line in file.open()}
    assert versions == {bento.tag, other_bento.tag}


def test_a_model_with_other_inputs_does_not_take_the_place(ws, bento, other_bento):
    deployment = serve(ws, bento)
    signature = json.loads((other_bento.model / "signature.json").read_text())
    signature["inputs"][0]["name"] = "years"
    sign(other_bento, signature)
    with pytest.raises(UsageError, match="takes other inputs than deployment 'tiny'"):
        promote(ws, deployment.name, other_bento, canary=0.1)


def with_classes(bento, *classes: str) -> None:
    signature = json.loads((bento.model / "signature.json").read_text()) | {"classes": list(classes)}
    sign(bento, signature)


@pytest.mark.parametrize("classes", [("yes", "no"), ("no", "maybe"), ("no",), ("maybe", "no", "yes")])
def test_a_model_whose_probabilities_stand_elsewhere_does_not_take_the_place(bento, other_bento, classes):
    with_classes(other_bento, *classes)
    plan = Plan({CHAMPION: Slot(bento.tag, bento.model.resolve())})
    with pytest.raises(UsageError, match="in another order than deployment 'tiny'"):
        _check_answers(plan, other_bento, "tiny")
    # What answered before may come back.
    _check_answers(
        dataclasses.replace(plan, previous=Slot("other:v2", other_bento.model.resolve())), other_bento, "tiny"
    )
    with_classes(other_bento, "no", "yes", "maybe")
    _check_answers(plan, other_bento, "tiny")


def with_outputs(bento, *outputs: Output) -> None:
    signature = read_signature(bento.model)
    told = dataclasses.replace(signature, task="regression", classes=(), outputs=outputs)
    sign(bento, told.to_dict())


def test_quantiles_may_come_with_a_promotion_and_go_with_a_rollback_alone(make_tiny_bento, other_bento, tmp_path):
    bento = make_tiny_bento(tmp_path / "tiny" / "v1", "tiny:v1")
    number, low = Output("cost"), Output("low", shape=(1,), quantile=0.1)
    with_outputs(bento, number)
    with_outputs(other_bento, number, low)
    _check_answers(Plan({CHAMPION: Slot(bento.tag, bento.model.resolve())}), other_bento, "tiny")
    plan = Plan({CHAMPION: Slot(other_bento.tag, other_bento.model.resolve())})
    with pytest.raises(UsageError, match="answers otherwise than deployment 'tiny'"):
        _check_answers(plan, bento, "tiny")
    _check_answers(dataclasses.replace(plan, previous=Slot(bento.tag, bento.model.resolve())), bento, "tiny")


def test_behind_a_promotion_nobody_is_answered_by_what_was_there_before(ws, bento, other_bento):
    deployment = serve(ws, bento, workers=3)
    # Some of the workers may still be starting.
    promote(ws, deployment.name, other_bento)
    headers, seen = headers_of(deployment), set()
    for _ in range(60):
        with httpx.Client(base_url=deployment.url, headers=headers, trust_env=False) as client:
            seen.add(client.post("/predict", json={"rows": [ROW]}).json()["version"])
        time.sleep(0.02)
    assert seen == {other_bento.tag}


def test_a_challenger_is_tried_promoted_and_gone_back_from(ws, bento, other_bento):
    deployment = serve(ws, bento)
    with pytest.raises(UsageError, match="has no challenger"):
        promote(ws, deployment.name)
    with pytest.raises(UsageError, match="nothing to go back to"):
        rollback(ws, deployment.name)
    told = []
    assert promote(ws, deployment.name, other_bento, canary=0.5, report=told.append).bento == bento.tag
    assert f"{other_bento.tag} answers 50% of the keys" in told[-1].text
    seen = asyncio.run(asked(deployment, lambda: time.sleep(0.5), connections=2))
    assert {version for _, version in seen} == {bento.tag, other_bento.tag}
    assert promote(ws, deployment.name).bento == other_bento.tag
    assert rollback(ws, deployment.name).bento == bento.tag
    promote(ws, deployment.name, other_bento, shadow=True)
    assert rollback(ws, deployment.name).bento == bento.tag


def test_a_bento_that_cannot_be_loaded_leaves_all_as_it_was(ws, bento, other_bento):
    deployment = serve(ws, bento)
    model = other_bento.model / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(b"broken")
    with pytest.raises(ServingError, match="cannot be served"):
        promote(ws, deployment.name, other_bento)
    model.write_bytes(whole)
    assert promote(ws, deployment.name, other_bento).bento == other_bento.tag


def kill_one(ws, bento, turn: int, running_children) -> None:
    """A worker, and each fifth time the whole server, which is then started anew."""
    current = get(ws, bento.tag.partition(":")[0])
    if turn % 5 == 4:
        os.killpg(os.getpgid(current.pid), signal.SIGKILL)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(current.pid).wait(10)
        serve(ws, bento, workers=2)
        return
    workers = running_children(current.pid, "spawn_main", at_least=1)
    workers[turn % len(workers)].kill()
    time.sleep(0.7)


async def acknowledged_of(ws, name: str, found: set[str], stopped: asyncio.Event) -> None:
    """Ask as clients do whose connections break."""
    while not stopped.is_set():
        current = get(ws, name)
        try:
            async with httpx.AsyncClient(
                base_url=current.url, headers=headers_of(current), trust_env=False, timeout=10
            ) as client:
                for _ in range(30):
                    answer = await client.post("/predict", json={"rows": [ROW]})
                    if answer.status_code == 200:
                        found.add(answer.json()["predictions"][0]["id"])
        except (httpx.HTTPError, OSError):
            await asyncio.sleep(0.02)


def all_on_the_log(ws, bento, times: int, running_children) -> None:
    """Kill under load: what was acknowledged is on the log, and it answers again."""
    deployment, found = serve(ws, bento, workers=2), set()

    async def both():
        stopped = asyncio.Event()
        askers = [asyncio.create_task(acknowledged_of(ws, deployment.name, found, stopped)) for _ in range(4)]
        try:
            for turn in range(times):
                await asyncio.sleep(0.3)
                await asyncio.to_thread(kill_one, ws, bento, turn, running_children)
        finally:
            stopped.set()
            await asyncio.gather(*askers)

    asyncio.run(both())
    logged = set()
    for file in deployment.path.glob("log-*.jsonl"):
        whole, _, _ = file.read_text().rpartition("\n")
        logged |= {json.loads(line)["id"] for line in whole.splitlines()}
    assert len(found) > 20 * times
    assert found <= logged


def test_what_was_answered_is_on_the_log_whatever_is_killed(ws, bento, running_children):
    all_on_the_log(ws, bento, 10, running_children)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_what_was_answered_is_on_the_log_after_a_thousand_kills(ws, bento, running_children):
    all_on_the_log(ws, bento, 1000, running_children)


def test_a_server_of_one_worker_starts_it_again(ws, bento, running_children):
    deployment = serve(ws, bento, workers=1)
    (worker,) = running_children(deployment.pid, "spawn_main", at_least=1)
    worker.kill()
    deadline = time.monotonic() + 20
    with httpx.Client(base_url=deployment.url, headers=headers_of(deployment), trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.05)
        assert client.post("/predict", json={"rows": [ROW]}).status_code == 200
    assert get(ws, deployment.name).pid == deployment.pid


def test_the_list_tells_what_is_answered_now_and_the_log_its_last_lines(ws, bento):
    deployment = serve(ws, bento)

    def ask():
        time.sleep(2.5)

    asyncio.run(asked(deployment, ask, connections=2))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (one,) = deployments(ws).deployments
        if one.load and one.load.requests_per_s:
            break
        time.sleep(0.2)
    assert one.load.requests_per_s > 1
    assert 0 < one.load.p95_ms < 1000
    assert (one.load.error_share, one.load.lost) == (0.0, 0)
    shown = str(deployments(ws))
    assert "requests/s" in shown
    assert "p95 ms" in shown
    assert any("Started" in line or "running" in line for line in logs(ws, deployment.name).lines)
    with pytest.raises(UsageError, match="0 lines"):
        logs(ws, deployment.name, 0)
    assert stop(ws, deployment.name).load is None


def test_a_public_server_listens_to_other_machines_and_answers_to_its_names_alone(
    ws, bento, monkeypatch, running_children
):
    monkeypatch.setenv("LEPTON_ALLOWED_HOSTS", "models.example")
    deployment = serve(ws, bento, public=True)
    port = int(deployment.url.rpartition(":")[2])
    workers = running_children(deployment.pid, "spawn_main", at_least=1)
    listening = {one.laddr for process in workers for one in process.net_connections()}
    assert any(address.port == port and address.ip == "0.0.0.0" for address in listening)
    with httpx.Client(base_url=deployment.url, headers=headers_of(deployment), trust_env=False) as client:
        statuses = [
            client.get("/signature", headers={"host": host}).status_code for host in ("models.example", "evil.example")
        ]
    assert statuses == [200, 403]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"log": "sometimes"}, "--log has 'sometimes', expected durable or sample=SHARE"),
        ({"log": "sample=2"}, "--log has 'sample=2'"),
        ({"log_inputs": "maybe"}, "--log-inputs has 'maybe', expected yes, no, hash"),
        ({"keep": "forever"}, "'forever' is no length of time"),
        ({"log_inputs": "hash:colour"}, "--log-inputs names 'colour', but the columns of tiny:v1 are"),
        ({"log_url": "nothing://x"}, "--log-url nothing://... cannot be used"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_before_anything_starts(ws, bento, options, message):
    with pytest.raises(UsageError, match=message):
        serve(ws, bento, **options)
    assert not deployments(ws).deployments
