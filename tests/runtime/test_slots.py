"""What answers is changed while it answers: champion, challenger, canary and shadow."""

import asyncio
import dataclasses
import json
import shutil
from collections import Counter

import pytest
from asked import lines_of, talk_to

from lepton_nb.runtime import CHALLENGER, CHAMPION, Plan, Slot, read_plan
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
