"""Feedback, the Open Inference Protocol, the document, and the limits that keep one request from harming another."""

import asyncio
import json
import socket
import threading
import time

import httpx
import pytest
from asked import lines_of, talk_to

from lepton_nb.runtime import Slot, engine
from lepton_nb.runtime.engine import Engine
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


def test_labels_are_kept_with_the_ids_of_their_predictions(settings, tmp_path):
    async def talk(client):
        first, second = (await client.post("/predict", json={"rows": [ROW, ROW]})).json()["predictions"]
        one = await client.post("/feedback", json={"id": first["id"], "label": "maybe"})
        more = [{"id": second["id"], "label": "no"}, {"id": f"{first['id']}.7", "label": "yes"}]
        return first, second, one, await client.post("/feedback", json={"feedback": more})

    first, second, one, more = talk_to(settings, talk)
    assert (one.status_code, one.json(), more.json()) == (202, {"accepted": 1}, {"accepted": 2})
    kept = [(line["id"], line["label"]) for line in lines_of(tmp_path, "feedback")]
    assert kept == [(first["id"], "maybe"), (second["id"], "no"), (f"{first['id']}.7", "yes")]


@pytest.mark.parametrize(
    "body",
    [
        {"id": "x", "label": "no"},
        {"id": "0190a0a0-0000-7000-8000-000000000000", "label": "unheard"},
        {"id": "0190a0a0-0000-7000-8000-000000000000", "label": ["no"]},
        {"id": "0190a0a0-0000-7000-8000-000000000000"},
        {"feedback": []},
        {"feedback": [3]},
        [],
        3,
    ],
)
def test_feedback_that_is_none_is_refused_and_nothing_kept(settings, tmp_path, body):
    answer = talk_to(settings, lambda client: client.post("/feedback", json=body))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_body")
    assert not lines_of(tmp_path, "feedback")


def test_the_inference_protocol_answers_as_predict_does_and_is_logged(settings, tmp_path):
    async def talk(client):
        told = await client.get("/v2/models/tiny")
        ready = await client.get("/v2/models/tiny/versions/v1/ready")
        health = [await client.get(f"/v2/health/{one}") for one in ("live", "ready")]
        asked = {"id": "mine", "inputs": INPUTS, "outputs": [{"name": "probabilities"}, {"name": "label"}]}
        infer = await client.post("/v2/models/tiny/versions/v1/infer", json=asked)
        rows = [{"color": "red", "age": 1, "height": 3}, {"color": "blue", "age": 2, "height": None}]
        return told, ready, health, infer, await client.post("/predict", json={"rows": rows})

    told, ready, health, infer, by_row = talk_to(settings, talk)
    assert told.json()["inputs"] == [
        {"name": "age", "datatype": "FP64", "shape": [-1, 1]},
        {"name": "height", "datatype": "FP64", "shape": [-1, 1]},
        {"name": "color", "datatype": "BYTES", "shape": [-1, 1]},
    ]
    assert (told.json()["versions"], ready.json()["ready"]) == (["v1"], True)
    assert [one.status_code for one in health] == [200, 200]
    value = infer.json()
    assert (value["model_name"], value["model_version"], value["id"]) == ("tiny", "v1", "mine")
    probabilities, labels = value["outputs"]
    expected = by_row.json()["predictions"]
    assert labels["data"] == [one["label"] for one in expected]
    assert probabilities["shape"] == [2, 3]
    assert probabilities["data"] == [number for one in expected for number in one["probabilities"]]
    assert len(lines_of(tmp_path)) == 4


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"inputs": INPUTS[:2]}, 422),
        ({"inputs": [*INPUTS, INPUTS[0]]}, 422),
        ({"inputs": [{**INPUTS[0], "datatype": "FP64"}, *INPUTS[1:]]}, 422),
        ({"inputs": [{**INPUTS[0], "shape": [3]}, *INPUTS[1:]]}, 422),
        ({"inputs": [{**INPUTS[0], "shape": [2, 2]}, *INPUTS[1:]]}, 422),
        ({"inputs": [{**INPUTS[0], "shape": [-1]}, *INPUTS[1:]]}, 422),
        ({"inputs": [{**INPUTS[0], "data": ["red"], "shape": [1]}, *INPUTS[1:]]}, 422),
        ({"inputs": [{**INPUTS[1], "data": ["1", 2]}, INPUTS[0], INPUTS[2]]}, 422),
        ({"inputs": [{**INPUTS[0], "datatype": ["FP64"]}, *INPUTS[1:]]}, 422),
        ({"inputs": INPUTS, "outputs": [{"name": "secret"}]}, 422),
        ({"inputs": 3}, 422),
        ({}, 422),
    ],
)
def test_a_request_of_the_protocol_that_does_not_fit_is_refused(settings, change, status):
    answer = talk_to(settings, lambda client: client.post("/v2/models/tiny/infer", json=change))
    assert (answer.status_code, "error" in answer.json()) == (status, True)


def test_a_number_of_the_protocol_that_is_none_is_refused_by_its_field(settings):
    body = json.dumps({"inputs": [INPUTS[0], {**INPUTS[1], "data": [float("nan"), 1.0]}, INPUTS[2]]})
    headers = {"content-type": "application/json"}
    answer = talk_to(settings, lambda client: client.post("/v2/models/tiny/infer", content=body, headers=headers))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_finite")
    assert "row 0, field 'age'" in answer.json()["error"]["message"]


def test_a_large_request_of_the_protocol_does_not_hold_up_the_others(settings):
    rows = 20_000
    inputs = [{**one, "shape": [rows], "data": [one["data"][0]] * rows} for one in (INPUTS[0], INPUTS[2])]
    inputs.append({"name": "age", "shape": [rows], "datatype": "FP64", "data": [1.0] * rows})

    async def talk(client):
        large = asyncio.create_task(client.post("/v2/models/tiny/infer", json={"inputs": inputs}))
        others = 0
        while not large.done():
            assert (await client.get("/livez")).status_code == 200
            others += 1
            # The client of these tests never waits by itself.
            await asyncio.sleep(0.001)
        return (await large).status_code, others

    status, others = talk_to(settings, talk)
    assert status == 200
    assert others > 3


def test_a_large_request_of_the_protocol_is_answered_and_told_in_a_thread(settings, monkeypatch):
    threads = []
    told, record = Engine.told, Engine.record

    def watched(call):
        def called(self, *given, **named):
            threads.append(threading.current_thread() is threading.main_thread())
            return call(self, *given, **named)

        return called

    monkeypatch.setattr(Engine, "told", watched(told))
    monkeypatch.setattr(Engine, "record", watched(record))
    rows = 10_000
    inputs = [{**one, "shape": [rows], "data": [one["data"][0]] * rows} for one in (INPUTS[0], INPUTS[2])]
    inputs.append({**INPUTS[1], "shape": [rows, 1], "data": [1.0] * rows})
    answer = talk_to(settings, lambda client: client.post("/v2/models/tiny/infer", json={"inputs": inputs}))
    assert (answer.status_code, threads) == (200, [False, False])


def test_more_numbers_than_json_has_room_for_are_refused(settings, monkeypatch):
    monkeypatch.setattr(engine, "_MOST_NUMBERS", 5)
    rows = [{"age": 1, "height": None, "color": "red"}] * 2
    answer = talk_to(settings, lambda client: client.post("/predict", json={"rows": rows}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_model_that_is_not_served_here_is_not_found(settings):
    async def talk(client):
        return [
            await client.get("/v2/models/other"),
            await client.post("/v2/models/other/infer", json={"inputs": INPUTS}),
            await client.get("/v2/models/tiny/versions/v9"),
        ]

    assert [one.status_code for one in talk_to(settings, talk)] == [404, 404, 404]


def test_the_document_has_the_types_and_an_example_that_is_answered(settings, table_signature):
    async def talk(client):
        document = (await client.get("/docs.json")).json()
        posted = document["paths"]["/predict"]["post"]
        example = posted["requestBody"]["content"]["application/json"]["example"]
        infer = document["paths"]["/v2/models/tiny/infer"]["post"]["requestBody"]["content"]["application/json"][
            "example"
        ]
        return document, [
            await client.post("/predict", json=example),
            await client.post("/v2/models/tiny/infer", json=infer),
        ]

    document, answers = talk_to(settings, talk)
    assert [one.status_code for one in answers] == [200, 200]
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == [one.name for one in table_signature.inputs]
    assert row["properties"]["age"]["type"] == ["number", "null"]
    assert document["components"]["schemas"]["Prediction"]["properties"]["label"]["enum"] == ["no", "yes", "maybe"]


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
