"""The limits that keep one request from harming another, and what of it is logged."""

import asyncio
import json
import socket
import time

import httpx
import pytest
from asked import lines_of, talk_to

from lepton_nb.runtime import Slot
from lepton_nb.runtime.model import Model
from lepton_nb.runtime.settings import Settings

ROW = {"age": 1.0, "height": None, "color": "red"}
INPUTS = [
    {"name": "color", "shape": [2], "datatype": "BYTES", "data": ["red", "blue"]},
    {"name": "age", "shape": [2, 1], "datatype": "FP64", "data": [[1.0], [2.0]]},
    {"name": "height", "shape": [2], "datatype": "INT32", "data": [3, None]},
]


@pytest.fixture
def settings(table_model, tmp_path):
    return Settings(Slot("tiny:v1", table_model), log_dir=tmp_path)


def test_a_page_of_a_foreign_origin_is_refused(settings):
    async def talk(client):
        origins = ("http://localhost:8888", "https://evil.example", "null", "http://[")
        return [
            (await client.post("/predict", json={"rows": [ROW]}, headers={"origin": one})).status_code
            for one in origins
        ]

    assert talk_to(settings, talk) == [200, 403, 403, 403]


def test_more_requests_than_the_queue_holds_are_told_to_come_again(table_model, monkeypatch):
    own = Model.predict

    def slowly(self, inputs):
        time.sleep(0.1)
        return own(self, inputs)

    monkeypatch.setattr(Model, "predict", slowly)
    settings = Settings(Slot("m:1", table_model), queue=3)

    async def talk(client):
        many = await asyncio.gather(*(client.post("/predict", json={"rows": [ROW]}) for _ in range(10)))
        return many, (await client.post("/predict", json={"rows": [ROW]})).status_code

    many, after = talk_to(settings, talk)
    refused = [one for one in many if one.status_code != 200]
    assert len(refused) == 7
    assert {(one.status_code, one.json()["error"]["code"], one.headers["retry-after"]) for one in refused} == {
        (429, "busy", "1")
    }
    assert after == 200


def test_bodies_that_never_end_do_not_take_the_place_of_those_that_do(table_model):
    settings = Settings(Slot("m:1", table_model), queue=2, body_s=5)

    async def slow():
        yield b'{"rows": '
        await asyncio.sleep(0.5)
        yield json.dumps([ROW]).encode() + b"}"

    async def talk(client):
        kind = {"content-type": "application/json"}
        held = [asyncio.create_task(client.post("/predict", content=slow(), headers=kind)) for _ in range(15)]
        await asyncio.sleep(0.1)
        meanwhile = (await client.post("/predict", json={"rows": [ROW]})).status_code
        held.append(asyncio.create_task(client.post("/predict", content=slow(), headers=kind)))
        await asyncio.sleep(0.05)
        refused = (await client.post("/predict", json={"rows": [ROW]})).status_code
        await asyncio.gather(*held)
        return meanwhile, refused, (await client.post("/predict", json={"rows": [ROW]})).status_code

    assert talk_to(settings, talk) == (200, 429, 200)


def test_half_a_body_times_out_and_harms_no_other(tmp_path, make_source, start_server, uvicorn_command):
    source = make_source(tmp_path / "bento")
    server = start_server(uvicorn_command, source, tmp_path / "log", {"LEPTON_OPEN": "1", "LEPTON_BODY_S": "0.7"})
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as half:
        head = ["POST /predict HTTP/1.1", "host: localhost", "content-type: application/json", "content-length: 900"]
        half.sendall("\r\n".join([*head, "", '{"rows"']).encode())
        with server.client("") as client:
            began = time.monotonic()
            while time.monotonic() - began < 1.0:
                assert client.post("/predict", json={"rows": [ROW]}).status_code == 200
        assert half.recv(2000).startswith(b"HTTP/1.1 408")
    with server.client("") as client:
        assert client.get("/readyz").status_code == 200


def test_concurrent_requests_are_answered_each_with_its_own_rows(settings):
    async def talk(client):
        bodies = [{"rows": [{**ROW, "age": float(age)}] * (1 + age % 3)} for age in range(60)]
        alone = [(await client.post("/predict", json=body)).json() for body in bodies]
        together = await asyncio.gather(*(client.post("/predict", json=body) for body in bodies))
        return alone, [one.json() for one in together]

    alone, together = talk_to(settings, talk)
    for one, other in zip(alone, together, strict=True):
        for expected, found in zip(one["predictions"], other["predictions"], strict=True):
            assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
            assert found["id"] != expected["id"]


def test_a_sample_of_the_rows_is_logged_where_that_is_asked(table_model, tmp_path):
    settings = Settings(Slot("m:1", table_model), log_dir=tmp_path, sample=0.25)
    talk_to(settings, lambda client: client.post("/predict", json={"rows": [ROW] * 2000}))
    assert 400 < len(lines_of(tmp_path)) < 600


def test_a_durable_log_is_on_the_disk_before_the_answer(table_model, tmp_path, monkeypatch):
    import os

    synced = []
    own = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), own(number)))
    settings = Settings(Slot("m:1", table_model), log_dir=tmp_path, durable=True)

    async def talk(client):
        first = await client.post("/predict", json={"rows": [ROW]})
        seen = len(synced)
        await client.post("/feedback", json={"id": first.json()["predictions"][0]["id"], "label": "no"})
        assert len(synced) > seen
        many = await asyncio.gather(*(client.post("/predict", json={"rows": [ROW]}) for _ in range(40)))
        return first, seen, many

    first, seen, many = talk_to(settings, talk)
    # The file and, since it is new, its folder.
    assert (first.status_code, seen) == (200, 2)
    assert {one.status_code for one in many} == {200}
    # One write to the disk serves all who wait for it.
    assert 1 < len(synced) < 44


def test_an_answer_over_a_real_connection_has_the_lines_of_http(tmp_path, make_source, start_server, uvicorn_command):
    source = make_source(tmp_path / "bento")
    server = start_server(uvicorn_command, source, tmp_path / "log", {"LEPTON_OPEN": "1", "LEPTON_MAX_BODY": "1000"})
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        answer = client.post("/predict", json={"rows": [ROW]})
        assert answer.headers["content-type"] == "application/json"
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert (
            client.post("/predict", content=b" " * 1001, headers={"content-type": "application/json"}).status_code
            == 413
        )
