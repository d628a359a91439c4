"""A model that learnt from pictures takes pictures, and reads them as they were read for its training."""

import asyncio
import base64
import dataclasses
import io
import json

import numpy as np
import onnx
import pytest
from asked import lines_of, talk_to
from PIL import Image

from lepton_nb.data.pictures import read_pictures
from lepton_nb.runtime import CHALLENGER, CHAMPION, Input, Plan, Signature, Slot
from lepton_nb.runtime.model import Model
from lepton_nb.runtime.privacy import Kept
from lepton_nb.runtime.settings import Settings

SIGNATURE = Signature("classification", ("zero", "one"), (Input("input", "array", (1, 2, 2), picture=True),))


@pytest.fixture
def settings(tmp_path, made_of_a_graph):
    graph, write_model = made_of_a_graph
    # Pictures go up to 255, and a softmax of that is 0 and 1: scaled as a preprocessing would.
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1 / 100, np.float32), "scale"))
    graph.graph.node.insert(0, onnx.helper.make_node("Mul", ["input", "scale"], ["scaled"]))
    graph.graph.node[1].input[0] = "scaled"
    folder = write_model(tmp_path / "bento" / "src" / "model", graph, SIGNATURE)
    (tmp_path / "log").mkdir()
    return Settings(Slot("p:1", folder), log_dir=tmp_path / "log")


def saved(size=(7, 5), kind="PNG", mode="RGB") -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(values).convert(mode).save(sink, kind)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "L"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P")]
)
def test_a_file_is_answered_as_it_would_be_from_a_folder(settings, tmp_path, kind, mode):
    content = saved(kind=kind, mode=mode)
    (tmp_path / "one.png").write_bytes(content)
    values = read_pictures([tmp_path / "one.png"], (2, 2), grey=True)
    expected = Model.load(settings.champion.path).predict({"input": values})[0].tolist()

    async def talk(client):
        text = base64.b64encode(content).decode()
        return [
            await client.post("/predict", content=content, headers={"content-type": f"image/{kind.lower()}"}),
            await client.post("/predict", json={"rows": [{"input": text}, {"input": values[0].tolist()}]}),
        ]

    direct, in_json = talk_to(settings, talk)
    assert direct.status_code == in_json.status_code == 200, direct.text
    found = [one["probabilities"] for answer in (direct, in_json) for one in answer.json()["predictions"]]
    for one in found:
        assert one == pytest.approx(expected, abs=1e-6)
    direct, *_ = lines_of(settings.log_dir)
    assert direct["inputs"]["input"] == values[0].tolist()
    # What is logged of a file is scaled: the size that it was sent with stands beside it.
    assert direct["sides"] == {"input": [7, 5]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no picture", "it is not a readable picture"),
        (saved()[:60], "it is not a readable picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a kind that is read"),
        (b"", "it is not a readable picture"),
    ],
)
def test_what_is_no_picture_is_refused_and_says_why(settings, content, message):
    async def talk(client):
        text = base64.b64encode(content).decode()
        return [
            await client.post("/predict", content=content, headers={"content-type": "image/png"}),
            await client.post("/predict", json={"rows": [{"input": text}]}),
        ]

    for answer in talk_to(settings, talk):
        assert answer.status_code == 422
        assert message in answer.json()["error"]["message"]
        assert "field 'input'" in answer.json()["error"]["message"]


@pytest.mark.filterwarnings("ignore:Image size")
def test_a_picture_of_more_pixels_than_fit_is_refused_before_it_is_unpacked(settings, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)

    async def talk(client):
        return await client.post("/predict", content=saved((11, 10)), headers={"content-type": "image/png"})

    answer = talk_to(settings, talk)
    assert (answer.status_code, "pixels" in answer.json()["error"]["message"]) == (422, True)


def test_text_that_is_no_base64_is_refused(settings):
    answer = talk_to(settings, lambda client: client.post("/predict", json={"rows": [{"input": "%%%"}]}))
    assert (answer.status_code, answer.json()["error"]["row"]) == (422, 0)


def test_of_a_picture_that_is_kept_off_the_log_its_size_is_too(settings):
    async def talk(client):
        return await client.post("/predict", content=saved(), headers={"content-type": "image/png"})

    talk_to(dataclasses.replace(settings, kept=Kept.read("no:input")), talk)
    (line,) = lines_of(settings.log_dir)
    assert "sides" not in line


def test_a_model_without_pictures_takes_none(table_model):
    async def talk(client):
        return await client.post("/predict", content=saved(), headers={"content-type": "image/png"})

    assert talk_to(Settings(Slot("m:1", table_model)), talk).status_code == 415


def test_a_shadow_sees_pictures_too(settings, tmp_path):
    both = {CHAMPION: settings.champion, CHALLENGER: Slot("p:2", settings.champion.path)}
    (tmp_path / "slots.json").write_text(json.dumps(Plan(both, shadow=True).to_dict()))

    async def talk(client):
        await client.post("/predict", content=saved(), headers={"content-type": "image/png"})
        for _ in range(200):
            if len(lines_of(settings.log_dir)) == 2:
                return
            await asyncio.sleep(0.01)

    talk_to(dataclasses.replace(settings, slots=tmp_path / "slots.json"), talk)
    assert sorted(line["version"] for line in lines_of(settings.log_dir)) == ["p:1", "p:2"]


def test_the_document_and_the_signature_say_that_pictures_are_taken(settings):
    async def talk(client):
        return (await client.get("/docs.json")).json(), (await client.get("/signature")).json()

    document, signature = talk_to(settings, talk)
    assert "image/png" in document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert Signature.from_dict(json.loads(json.dumps(signature))).inputs[0].picture
