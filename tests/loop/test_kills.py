"""A watch that is killed at any of its decisions, and begun again, ends where one that was left alone does."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tiny import DOWN, Tiny, bento, makes, pipeline

from lepton_nb import kernels
from lepton_nb.loop import status
from lepton_nb.loop.options import WatchOptions
from lepton_nb.loop.place import place_of
from lepton_nb.runtime import read_plan
from lepton_nb.workspace import write_json

pytestmark = pytest.mark.timeout(900)
DECISIONS = ["began", "triggered", "froze", "retrained", "passed", "shadow done", "canary done", "promoted", "kept"]
# What is done without being recorded yet is what is easily done twice.
SHORT = [(8, "before"), (6, "between")]
ALL = [(number, moment) for number in range(1, 10) for moment in ("before", "between", "behind")]


def begin(ws, number: int, moment: str) -> kernels.Bound:
    """The watch as a process that is started as the verb starts it."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")]))}
    words = [str(ws.home), str(number), moment]
    return kernels.start_bound("killed", words, log=ws.home / "killed.log", cwd=ws.root, env=environment)


def until_ended(tiny, process, *, up) -> int:
    """Ask until the process has ended, or everything was decided."""
    deadline = time.monotonic() + 300
    while (code := process.poll()) is None:
        assert time.monotonic() < deadline, status(tiny.ws, "tiny").as_text()
        decided = place_of(tiny.ws, "tiny").decisions()
        # From when it says that it runs, it ends as a watch does; before, as any process.
        if decided and decided[-1].action == DECISIONS[-1] and status(tiny.ws, "tiny").pid == process.pid:
            os.kill(process.pid, signal.SIGTERM)
            return process.wait(60)
        tiny.ask(100, up=up, requests=5)
        time.sleep(0.2)
    return code


@pytest.mark.parametrize(
    ("number", "moment"), [*SHORT, *(pytest.param(*one, marks=pytest.mark.nightly) for one in ALL if one not in SHORT)]
)
def test_a_killed_watch_goes_on_from_its_last_decision(ws, tmp_path, number, moment):
    tiny = Tiny(ws)
    bento(ws, "better:v1", DOWN)
    path = pipeline(tmp_path / "p", makes("better:v1"))
    place = place_of(ws, "tiny")
    how = {"when": "decaying", "every": 0.05, "window": 100, "labels": 600, "shadow": 50, "canary": 0.5, "guard": 0.2}
    options = WatchOptions(pipeline=str(path), canary_rows=50, **how)
    write_json(place.folder / "watch.json", {"options": options.to_dict()})
    # The first decision is met before there is any traffic, the others by traffic that is the other way round.
    killed = begin(ws, number, moment)
    if number > 1:
        deadline = time.monotonic() + 120
        while not place.decisions():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        tiny.ask(200, up=True)
        while place.state().rows < 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert until_ended(tiny, killed, up=False) == -signal.SIGKILL
    if number == 1:
        again = begin(ws, 0, "never")
        while not place.decisions():
            time.sleep(0.05)
        tiny.ask(200, up=True)
        while place.state().rows < 200:
            time.sleep(0.05)
    else:
        again = begin(ws, 0, "never")
    assert until_ended(tiny, again, up=False) == 0
    decided = place.decisions()
    assert [one.action for one in decided] == DECISIONS
    assert [one.number for one in decided] == list(range(1, len(DECISIONS) + 1))
    plan = read_plan(tiny.deployment.path / "slots.json")
    assert (plan.slots["champion"].bento, plan.previous.bento) == ("better:v1", "tiny:v1")
    history = (tiny.deployment.path / "slots-history.jsonl").read_text().splitlines()
    # Nothing was done twice to those who ask: each version came once.
    assert [json.loads(line)["action"] for line in history] == ["challenge", "challenge", "promote"]
