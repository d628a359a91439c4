"""The app in this process: its settings, and faults that a healthy model does not make."""

import asyncio
import gc
import json
import re

import httpx
import numpy as np
import onnx
import pytest
from asked import talk_to
from onnx import TensorProto, helper

from lepton_nb.runtime import Input, ModelError, Signature, Slot, manifest_of, slots_object
from lepton_nb.runtime.app import create_app
from lepton_nb.runtime.metrics import Counters, exposition
from lepton_nb.runtime.settings import Settings

SIGNATURE = Signature("classification", ("a", "b"), (Input("x", "number"),))


@pytest.fixture
def fragile_model(tmp_path):
    """Answers [0.5, 0.5] for 0 or a missing number, NaN for 1, and fails for anything above."""
    table = np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32)
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "x"], ["filled"]),
        helper.make_node("Cast", ["filled"], ["index"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["index", "one"], ["flat"]),
        helper.make_node("Gather", ["table", "flat"], ["probabilities"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 1])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])]
    constants = [
        onnx.numpy_helper.from_array(table, "table"),
        helper.make_tensor("zero", TensorProto.DOUBLE, [1], [0.0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(nodes, "fragile", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "signature.json").write_text(json.dumps(SIGNATURE.to_dict()))
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder, run="r", data="d").to_dict()))
    return folder


def ask(settings: Settings, bodies: list[dict]) -> list[httpx.Response]:
    """Start the app, post each body, end the app."""

    async def talk() -> list[httpx.Response]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            early = await client.post("/predict", json={})
            async with app.router.lifespan_context(app):
                assert gc.get_freeze_count() > 0
                return [early, *[await client.post("/predict", json=body) for body in bodies]]

    return asyncio.run(talk())


def rows(*values: float | None) -> dict:
    return {"rows": [{"x": value} for value in values]}


def test_a_request_before_the_start_is_told_to_wait(fragile_model):
    (early,) = ask(Settings(Slot("m:1", fragile_model)), [])
    assert (early.status_code, early.json()["error"]["code"]) == (503, "not_ready")


def test_an_answer_that_is_not_finite_is_an_error_not_a_nan(fragile_model, tmp_path):
    _, good, bad = ask(Settings(Slot("m:1", fragile_model), log_dir=tmp_path), [rows(0, None), rows(0, 1)])
    assert good.json()["predictions"][1]["probabilities"] == [0.5, 0.5]
    assert (bad.status_code, bad.json()["error"]["code"]) == (500, "not_finite")
    lines = [json.loads(line) for path in tmp_path.glob("log-*") for line in path.read_text().splitlines()]
    assert [line.get("error") for line in lines] == [None, None, "not_finite"]


def test_a_number_that_the_model_cannot_hold_is_the_rows_fault_and_no_ordinary_one_is(fragile_model, tmp_path):
    bounded = Signature("classification", ("a", "b"), (Input("x", "number", (), (), -3.0, 0.5),))
    (fragile_model / "signature.json").write_text(json.dumps(bounded.to_dict()))
    (fragile_model / "manifest.json").write_text(json.dumps(manifest_of(fragile_model, run="r", data="d").to_dict()))
    # 1 is outside of the range of training here, -1 is in it; the model answers NaN to both, and to 0.6 a number.
    _, outside, inside, both, sound = ask(
        Settings(Slot("m:1", fragile_model), log_dir=tmp_path), [rows(0, 1), rows(-1), rows(1, -1), rows(0.6)]
    )
    assert (outside.status_code, outside.json()["error"]) == (
        422,
        {
            "code": "out_of_range",
            "message": "row 1, field 'x': too far from the numbers of training for the model to answer",
            "row": 1,
        },
    )
    assert [(one.status_code, one.json()["error"]["code"]) for one in (inside, both)] == [(500, "not_finite")] * 2
    assert sound.status_code == 200


def test_an_unexpected_fault_tells_the_client_its_number_and_the_log_the_rest(fragile_model, tmp_path, caplog):
    _, answer = ask(Settings(Slot("m:1", fragile_model), log_dir=tmp_path), [rows(99)])
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    found = re.fullmatch(
        r"request ([0-9a-f-]{36}) failed; the server's log says why", answer.json()["error"]["message"]
    )
    assert found
    assert found[1] in caplog.text
    assert "Gather" in caplog.text


def test_a_prediction_that_cannot_be_logged_is_answered_and_counted_as_lost(fragile_model, tmp_path):
    (tmp_path / "log").touch()
    settings = Settings(Slot("m:1", fragile_model), log_dir=tmp_path / "log")

    async def talk(client):
        return [await client.post("/predict", json=rows(0)), await client.get("/metrics")]

    answer, metrics = talk_to(settings, talk)
    assert answer.status_code == 200
    assert 'lepton_predictions_not_logged_total{service_name="m",service_version="1"} 1' in metrics.text


def test_broken_counts_of_another_worker_do_not_fail_the_metrics(tmp_path):
    (tmp_path / "metrics-torn.json").write_text("{")
    counters = Counters(("/predict",))
    counters.observe("/predict", 200, 0.002)
    counters.observe("/a/path/of/an/attacker", 404, 20.0)
    text = exposition(counters.merged(tmp_path), service='odd"name', version="1")
    labels = r'service_name="odd\"name",service_version="1"'
    assert f'request_total{{endpoint="/predict",{labels},http_response_code="200"}} 1' in text
    assert f'request_total{{endpoint="other",{labels},http_response_code="404"}} 1' in text
    assert f'seconds_bucket{{endpoint="/predict",{labels},le="0.001"}} 0' in text
    assert f'seconds_bucket{{endpoint="/predict",{labels},le="0.0025"}} 1' in text
    assert f'seconds_bucket{{endpoint="other",{labels},le="10.0"}} 0' in text
    assert f'seconds_bucket{{endpoint="other",{labels},le="+Inf"}} 1' in text
    assert f'seconds_sum{{endpoint="other",{labels}}} 20.0' in text


@pytest.fixture
def slots_file(tmp_path):
    path = tmp_path / "slots.json"
    path.write_text(json.dumps(slots_object({"champion": Slot("m:1", tmp_path)})))
    return path


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no token: set LEPTON_TOKEN_FILE or LEPTON_TOKEN, or LEPTON_OPEN=1"),
        ({"LEPTON_TOKEN": " "}, "no token"),
        ({"LEPTON_TOKEN_FILE": "absent"}, "LEPTON_TOKEN_FILE absent cannot be read"),
        ({"LEPTON_OPEN": "1", "LEPTON_MAX_BODY": "many"}, "LEPTON_MAX_BODY is 'many', expected a number of bytes"),
        ({"LEPTON_OPEN": "1", "LEPTON_SLOTS": "absent.json"}, r"absent\.json cannot be read"),
        ({"LEPTON_OPEN": "1", "LEPTON_SLOTS": ""}, "nothing to serve: LEPTON_SLOTS is not set and .* holds no model"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name(slots_file, environment, message):
    with pytest.raises(ModelError, match=message):
        Settings.from_environment({"LEPTON_SLOTS": str(slots_file), **environment})


def test_settings_come_from_the_environment_and_do_not_show_the_token(slots_file, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    settings = Settings.from_environment(
        {
            "LEPTON_SLOTS": str(slots_file),
            "LEPTON_TOKEN_FILE": str(tmp_path / "token"),
            "LEPTON_ALLOWED_HOSTS": "A.test, b.test",
            "LEPTON_LOG_DIR": str(tmp_path),
        }
    )
    assert (settings.token, settings.log_dir, settings.max_body) == ("secret", tmp_path, 10 * 1024 * 1024)
    assert settings.hosts == {"127.0.0.1", "localhost", "[::1]", "a.test", "b.test"}
    assert settings.champion == Slot("m:1", tmp_path)
    assert "secret" not in repr(settings)
