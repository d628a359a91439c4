"""The generated Python client asks a really served deployment, and a server that follows a script."""

import ast
import asyncio
import email.utils
import importlib.util
import math
import os
import pickle
import subprocess
import sys
import time
import typing
from pathlib import Path

import httpx
import numpy as np
import pytest

from lepton_nb.processes import free_port
from lepton_nb.runtime import uuid7
from lepton_nb.serving.clients import make_client


@pytest.fixture(scope="module")
def module(served, tmp_path_factory):
    """The client, imported from where it was written."""
    folder = tmp_path_factory.mktemp("python")
    written = make_client(served, "python", folder)
    assert [path.name for path in written.files] == ["nasty_client.py"]
    spec = importlib.util.spec_from_file_location("nasty_client", written.files[0])
    found = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look a class up by its module.
    sys.modules["nasty_client"] = found
    spec.loader.exec_module(found)
    yield found
    del sys.modules["nasty_client"]


@pytest.fixture
def token(served, monkeypatch):
    monkeypatch.setenv("LEPTON_TOKEN", served.token_file.read_text())


def row(module, **values):
    return {**module.EXAMPLE, **values}


def test_rows_of_any_columns_and_texts_are_answered_and_logged_under_their_true_names(
    module, token, nasty, logged, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = [row(module, age=1.0), row(module, age=None), row(module, age=math.nan)]
    with module.Client() as client:
        answer = client.predict(rows)
    assert answer.version == "nasty:v1"
    assert [one.label for one in answer.predictions] == [nasty.classes[0]] * 3
    assert answer.predictions[0].probabilities == pytest.approx((math.e / (1 + math.e), 1 / (1 + math.e)), abs=1e-6)
    assert answer.predictions[1].probabilities == answer.predictions[2].probabilities == (0.5, 0.5)
    assert logged()[answer.predictions[0].id]["inputs"] == rows[0]
    assert list(tmp_path.iterdir()) == []


def test_the_asynchronous_client_answers_alike(module, token, nasty):
    async def ask():
        async with module.AsyncClient() as client:
            answers = await asyncio.gather(*(client.predict([module.EXAMPLE]) for _ in range(3)))
            return answers, await client.signature()

    answers, signature = asyncio.run(ask())
    assert len({one.predictions[0].id for one in answers}) == 3
    assert signature["classes"] == list(nasty.classes)


def test_the_types_are_those_of_the_signature(module, nasty):
    hints = typing.get_type_hints(module.Row)
    assert list(hints) == [one.name for one in nasty.inputs]
    assert hints["age"] == float | None
    assert hints["class"] == str | None
    assert hints["pixels"] == list[list[float]]
    assert nasty.classes == module.CLASSES == typing.get_args(module.Label)
    assert module.CATEGORIES["color"] == nasty.inputs[2].categories
    assert module.EXAMPLE["age"] == 1.0


def test_arrays_may_be_numpy_arrays(module, token):
    with module.Client() as client:
        assert client.predict([{**module.EXAMPLE, "pixels": np.zeros((2, 3)), "age": np.float32(2)}]).predictions


def test_a_refused_row_is_an_error_with_its_status_code_and_number(module, token, nasty):
    with module.Client() as client, pytest.raises(module.ServiceError) as caught:
        client.predict([module.EXAMPLE, row(module, age="old")])
    fault = caught.value
    assert (fault.status, fault.code, fault.row) == (422, "invalid_row", 1)
    assert "field 'age'" in str(fault)
    assert pickle.loads(pickle.dumps(fault)).row == 1


def test_a_row_that_json_cannot_hold_is_refused_before_it_is_sent(module, token, nasty):
    with module.Client() as client, pytest.raises(module.ServiceError) as caught:
        client.predict([module.EXAMPLE, row(module, age=math.inf)])
    assert (caught.value.status, caught.value.code, caught.value.row) == (0, "invalid_row", 1)


def test_without_the_token_the_client_is_refused(module, monkeypatch):
    monkeypatch.delenv("LEPTON_TOKEN", raising=False)
    with module.Client() as client, pytest.raises(module.ServiceError) as caught:
        client.predict([module.EXAMPLE])
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_the_file_run_as_a_program_asks_for_its_example(module, served):
    env = {**os.environ, "LEPTON_TOKEN": served.token_file.read_text()}
    done = subprocess.run([sys.executable, module.__file__], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"version": "nasty:v1"' in done.stdout
    del env["LEPTON_TOKEN"]
    done = subprocess.run([sys.executable, module.__file__], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "401 unauthorized")


@pytest.mark.nightly
def test_its_types_are_strict(module):
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", module.__file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_needs_the_standard_library_and_httpx_alone(module):
    body = ast.parse(Path(module.__file__).read_text()).body
    names = {one.module for one in body if isinstance(one, ast.ImportFrom)}
    names |= {alias.name for one in body if isinstance(one, ast.Import) for alias in one.names}
    assert {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) == {"httpx"}


def test_a_busy_service_is_asked_again_with_the_same_rows(module, scripted):
    url, asked = scripted(429, 503, 502)
    with module.Client(url, token="t") as client:
        answer = client.predict([module.EXAMPLE])
    assert answer.predictions[0].probabilities == (0.25, 0.75)
    assert len(asked) == 4
    assert len({body for _, _, body in asked}) == 1
    assert asked[0][1]["authorization"] == "Bearer t"


def test_a_connection_that_breaks_is_made_again(module, scripted):
    url, asked = scripted("broken")

    async def ask():
        async with module.AsyncClient(url) as client:
            return await client.predict([module.EXAMPLE])

    assert asyncio.run(ask()).version == "m:1"
    assert len(asked) == 2


@pytest.mark.parametrize("step", [500, 400, 408, (503, {"Retry-After": "3600"}), "slow"])
def test_what_would_not_help_is_not_asked_again(module, scripted, step):
    url, asked = scripted(step)
    with module.Client(url, timeout=0.3) as client, pytest.raises(module.ServiceError) as caught:
        client.predict([module.EXAMPLE])
    status = step[0] if isinstance(step, tuple) else step
    wanted = (0, "timeout", None) if step == "slow" else (status, "told", 2)
    assert (caught.value.status, caught.value.code, caught.value.row) == wanted
    assert len(asked) == 1


def test_a_service_that_stays_busy_or_away_is_given_up(module, scripted):
    url, asked = scripted(503, 503)
    with module.Client(url, attempts=2) as client, pytest.raises(module.ServiceError) as caught:
        client.predict([module.EXAMPLE])
    assert (caught.value.status, len(asked)) == (503, 2)
    nobody = f"http://127.0.0.1:{free_port()}"
    with module.Client(nobody, attempts=2) as client, pytest.raises(module.ServiceError) as caught:
        client.predict([module.EXAMPLE])
    assert (caught.value.status, caught.value.code) == (0, "unreachable")


def test_the_time_that_the_service_names_is_waited_for(module):
    busy = httpx.Response(503, headers={"Retry-After": "7"})
    assert module._pause(1, 1, busy, None) == 7
    assert 0.1 <= module._pause(1, 1, httpx.Response(429), None) <= 0.2
    assert 0.4 <= module._pause(1, 3, None, httpx.ConnectError("no")) <= 0.8
    assert module._pause(0, 1, busy, None) is None
    until = email.utils.formatdate(time.time() + 10, usegmt=True)
    assert 8 < module._retry_after(until) <= 10
    assert [module._retry_after(text) for text in ("7", "", "soon", "Thu, 01 Jan 1970 00:00:00 GMT")] == [7, 0, 0, 0]


def test_a_label_is_accepted_for_a_prediction_and_refused_for_what_is_none(module, token):
    with module.Client() as client:
        answer = client.predict([module.EXAMPLE])
        client.feedback(answer.predictions[0].id, module.CLASSES[1])
        for identifier, label in (("nonsense", module.CLASSES[1]), (uuid7(), "no such class")):
            with pytest.raises(module.ServiceError) as caught:
                client.feedback(identifier, label)
            assert caught.value.status == 422

    async def tell():
        async with module.AsyncClient() as client:
            await client.feedback(answer.predictions[0].id, module.CLASSES[0])

    asyncio.run(tell())
