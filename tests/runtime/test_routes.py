"""Feedback, the Open Inference Protocol and the document."""

import asyncio
import json
import threading

import pytest
from asked import lines_of, talk_to

from lepton_nb.runtime import Slot, engine
from lepton_nb.runtime.engine import Engine
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
