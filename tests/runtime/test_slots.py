"""What answers is changed while it answers: champion, challenger, canary and shadow."""

import asyncio
import dataclasses
import json
import shutil
import time
from collections import Counter

import numpy as np
import pytest
from asked import lines_of, talk_to

from lepton_nb.runtime import CHALLENGER, CHAMPION, ModelError, Plan, Slot, batching, manifest_of, read_plan
from lepton_nb.runtime.model import Model
from lepton_nb.runtime.privacy import Kept
from lepton_nb.runtime.settings import Settings

ROW = {"age": 1.0, "height": None, "color": "red"}


@pytest.fixture
def other_model(table_model, tmp_path):
    return shutil.copytree(table_model, tmp_path / "other" / "model")


@pytest.fixture
def deployed(table_model, tmp_path):
    path = tmp_path / "slots.json"
    path.write_text(json.dumps(Plan({CHAMPION: Slot("a:1", table_model)}).to_dict()))
    (tmp_path / "log").mkdir()
    return Settings(Slot("a:1", table_model), log_dir=tmp_path / "log", slots=path)


def change(settings: Settings, plan: Plan) -> None:
    temporary = settings.slots.with_suffix(".new")
    temporary.write_text(json.dumps(plan.to_dict()))
    temporary.replace(settings.slots)


async def followed(settings: Settings, generation: int, key: str = "generation") -> dict:
    for _ in range(400):
        (file,) = settings.log_dir.glob("worker-*.json")
        if (value := json.loads(file.read_text()))[key] == generation:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(value)


async def version(client, key: str | None = None) -> str:
    headers = {"lepton-key": key} if key else {}
    return (await client.post("/predict", json={"rows": [ROW]}, headers=headers)).json()["version"]


def test_a_plan_survives_being_written_and_read(tmp_path):
    slots = {CHAMPION: Slot("a:1", tmp_path), CHALLENGER: Slot("b:2", tmp_path / "b")}
    plan = Plan(slots, 7, 0.25, True, Slot("z:0", tmp_path / "z"))
    (tmp_path / "slots.json").write_text(json.dumps(plan.to_dict()))
    assert read_plan(tmp_path / "slots.json") == plan


def test_another_champion_answers_without_a_failed_request(deployed, other_model):
    async def talk(client):
        seen, stop = [], asyncio.Event()

        async def ask():
            while not stop.is_set():
                answer = await client.post("/predict", json={"rows": [ROW]})
                seen.append((answer.status_code, answer.json().get("version")))

        askers = [asyncio.create_task(ask()) for _ in range(8)]
        for generation in range(1, 7):
            slot = Slot("b:2", other_model) if generation % 2 else Slot("a:1", deployed.champion.path)
            change(deployed, Plan({CHAMPION: slot}, generation))
            await followed(deployed, generation)
            assert await version(client) == slot.bento
        stop.set()
        await asyncio.gather(*askers)
        return seen

    seen = talk_to(deployed, talk)
    assert {status for status, _ in seen} == {200}
    assert {name for _, name in seen} == {"a:1", "b:2"}
    assert not list(deployed.log_dir.glob("worker-*.json"))


def test_a_share_of_the_keys_is_answered_by_the_challenger_and_always_the_same_ones(deployed, other_model):
    plan = Plan({CHAMPION: deployed.champion, CHALLENGER: Slot("b:2", other_model)}, 1, canary=0.2)

    async def talk(client):
        change(deployed, plan)
        await followed(deployed, 1)
        first = [await version(client, f"user-{number}") for number in range(300)]
        again = [await version(client, f"user-{number}") for number in range(300)]
        return first, again, [await version(client) for _ in range(300)]

    first, again, without = talk_to(deployed, talk)
    assert first == again
    for seen in (first, without):
        assert 30 < Counter(seen)["b:2"] < 95
    slots = Counter(line["slot"] for line in lines_of(deployed.log_dir))
    assert slots.keys() == {CHAMPION, CHALLENGER}


def test_a_shadow_answers_everything_and_nobody_is_told(deployed, other_model):
    plan = Plan({CHAMPION: deployed.champion, CHALLENGER: Slot("b:2", other_model)}, 1, shadow=True)

    async def talk(client):
        change(deployed, plan)
        await followed(deployed, 1)
        answers = [await version(client) for _ in range(20)]
        for _ in range(200):
            if len(lines_of(deployed.log_dir)) == 40:
                break
            await asyncio.sleep(0.01)
        return answers

    assert set(talk_to(deployed, talk)) == {"a:1"}
    lines = lines_of(deployed.log_dir)
    assert Counter((line["version"], line.get("shadow", False)) for line in lines) == {
        ("a:1", False): 20,
        ("b:2", True): 20,
    }


def test_a_model_that_cannot_be_loaded_changes_nothing_and_is_told(deployed, other_model):
    (other_model / "model.onnx").write_bytes(b"no model")

    async def talk(client):
        change(deployed, Plan({CHAMPION: Slot("b:2", other_model)}, 5))
        told = await followed(deployed, 5, "refused")
        before = await version(client)
        change(
            deployed, dataclasses.replace(read_plan(deployed.slots), slots={CHAMPION: deployed.champion}, generation=6)
        )
        return told, before, await followed(deployed, 6)

    told, before, after = talk_to(deployed, talk)
    assert "SHA-256 differs" in told["error"]
    assert (told["generation"], before, after["error"]) == (0, "a:1", "")


def test_a_version_that_is_named_is_the_one_that_answers_and_labels_of_both_are_taken(deployed, other_model):
    signature = json.loads((other_model / "signature.json").read_text())
    (other_model / "signature.json").write_text(json.dumps({**signature, "classes": ["no", "yes", "perhaps"]}))
    (other_model / "manifest.json").unlink()
    (other_model / "manifest.json").write_text(json.dumps(manifest_of(other_model, run="r", data="d").to_dict()))
    plan = Plan({CHAMPION: Slot("m:1", deployed.champion.path), CHALLENGER: Slot("m:2", other_model)}, 1, canary=0.5)
    inputs = [
        {"name": "age", "shape": [1], "datatype": "FP64", "data": [1.0]},
        {"name": "height", "shape": [1], "datatype": "FP64", "data": [1.0]},
        {"name": "color", "shape": [1], "datatype": "BYTES", "data": ["red"]},
    ]

    async def talk(client):
        change(deployed, plan)
        await followed(deployed, 1)
        seen = []
        for wanted in ("1", "2") * 10:
            answer = await client.post(f"/v2/models/m/versions/{wanted}/infer", json={"inputs": inputs})
            seen.append((wanted, answer.json()["model_version"]))
        told = (await client.get("/v2/models/m/versions/2")).json()["versions"]
        identifier = (await client.post("/predict", json={"rows": [ROW]})).json()["predictions"][0]["id"]
        labels = [
            (await client.post("/feedback", json={"id": identifier, "label": label})).status_code
            for label in ("maybe", "perhaps", "no", "unheard") * 5
        ]
        return seen, told, labels

    seen, told, labels = talk_to(deployed, talk)
    assert all(wanted == found for wanted, found in seen)
    assert told == ["2"]
    assert labels == [202, 202, 202, 422] * 5


def test_what_is_taken_back_while_it_loads_never_answers(deployed, other_model, monkeypatch):
    own = Model.load.__func__

    def slowly(cls, folder, **options):
        if folder == other_model:
            time.sleep(0.6)
        return own(cls, folder, **options)

    monkeypatch.setattr(Model, "load", classmethod(slowly))

    async def talk(client):
        change(deployed, Plan({CHAMPION: Slot("b:2", other_model)}, 1))
        await asyncio.sleep(0.3)
        change(deployed, Plan({CHAMPION: deployed.champion}, 2))
        seen = set()
        for _ in range(60):
            seen.add(await version(client))
            await asyncio.sleep(0.02)
        return seen, await followed(deployed, 2)

    assert talk_to(deployed, talk)[0] == {"a:1"}


def test_a_fault_of_any_kind_is_told_and_the_next_change_followed(deployed, other_model, monkeypatch):
    own = Model.load.__func__

    def failing(cls, folder, **options):
        if folder == other_model:
            raise OSError(24, "Too many open files")
        return own(cls, folder, **options)

    monkeypatch.setattr(Model, "load", classmethod(failing))

    async def talk(client):
        change(deployed, Plan({CHAMPION: Slot("b:2", other_model)}, 1))
        told = await followed(deployed, 1, "refused")
        change(deployed, Plan({CHAMPION: Slot("a:2", deployed.champion.path)}, 2))
        await followed(deployed, 2)
        return told["error"], await version(client)

    error, after = talk_to(deployed, talk)
    assert "Too many open files" in error
    assert after == "a:2"


def test_one_request_whose_rows_cannot_be_joined_harms_no_later_one(deployed, monkeypatch):
    own, failed = np.concatenate, []

    def once(*args, **kwargs):
        if not failed:
            failed.append(True)
            raise MemoryError
        return own(*args, **kwargs)

    async def talk(client):
        monkeypatch.setattr(batching.np, "concatenate", once)
        many = await asyncio.gather(*(client.post("/predict", json={"rows": [ROW]}) for _ in range(20)))
        return [one.status_code for one in many], await version(client)

    statuses, after = talk_to(deployed, talk)
    assert failed
    assert set(statuses) == {200}
    assert after == "a:1"


def test_a_private_column_that_the_model_does_not_have_is_no_setting(deployed):
    settings = dataclasses.replace(deployed, kept=Kept.read("hash:colour"))
    with pytest.raises(ModelError, match="names 'colour', but the columns of a:1 are age, height, color"):
        talk_to(settings, version)
    (deployed.log_dir / "salt").write_bytes(b"")
    with pytest.raises(ModelError, match="not a salt of 32 bytes"):
        talk_to(dataclasses.replace(deployed, kept=Kept.read("hash:color")), version)


def test_equal_values_have_equal_hashes_however_they_are_written(tmp_path):
    kept = Kept.read("hash").with_salt(tmp_path)
    assert kept.hashed(1) == kept.hashed(1.0)
    assert kept.hashed(" red") == kept.hashed("red")
    assert kept.hashed(True) == kept.hashed("true")
    assert [kept.hashed(value) for value in (None, "", "n/a", float("nan"))] == [None] * 4
    assert Kept.read("hash").with_salt(tmp_path).hashed("red") == kept.hashed("red")
