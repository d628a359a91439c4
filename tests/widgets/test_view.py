"""The view in a real kernel: what it sends while a training runs, and what it leaves."""

from __future__ import annotations

import json
import os
import queue
import time
from collections.abc import Iterator
from typing import Any

import nbclient
import nbformat
import pytest
from jupyter_client.manager import KernelManager

SETUP = """
import threading, time
import ipywidgets
from lepton_nb.records import Curve, Epoch, Failed, Finished, Note, Progress, Started, Usage
from lepton_nb.widgets import TrainingView
asked = []

def feed(view, seconds, every=0.0005, until=lambda: False, names=("loss",)):
    began, step = time.time(), 0
    view.show(Started(began, "mlp", 10**6, "r1", 100))
    while time.time() - began < seconds and not until():
        step += 1
        view.show(Curve(time.time(), step, dict.fromkeys(names, 1.0 / step)))
        time.sleep(every)
    return step
"""


class Front:
    """A front end without a page: a kernel, and what it says."""

    def __init__(self, **env: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LEPTON_")}
        environment.pop("PYTEST_CURRENT_TEST", None)
        self.manager.start_kernel(env=environment | env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run(SETUP)

    def start(self, code: str) -> str:
        identity: str = self.client.execute(code, allow_stdin=True)
        return identity

    def until_idle(self, identity: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Every message until the cell has ended."""
        heard, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=seconds)
            heard.append(message)
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            if message["parent_header"].get("msg_id") == identity and content.get("execution_state") == "idle":
                return heard
        raise AssertionError("the cell did not end")

    def run(self, code: str) -> list[dict[str, Any]]:
        return self.until_idle(self.start(code))

    def during(self, seconds: float) -> list[dict[str, Any]]:
        """Every message of the next so many seconds."""
        heard, deadline = [], time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            try:
                heard.append(self.client.get_iopub_msg(timeout=rest))
            except queue.Empty:
                break
        return heard

    def ask(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """A control request and its answer."""
        message = self.client.session.msg(msg_type, content)
        self.client.control_channel.send(message)
        answer: dict[str, Any] = self.client.control_channel.get_msg(timeout=20)["content"]
        return answer

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    one = Front()
    yield one
    one.close()


def of(messages: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["msg_type"] in kinds]


def views(messages: list[dict[str, Any]]) -> list[str]:
    """The comms of live views, without that of their layouts."""
    opened = of(messages, "comm_open")
    return [one["content"]["comm_id"] for one in opened if "facts" in one["content"]["data"]["state"]]


def states(messages: list[dict[str, Any]], view: str) -> list[dict[str, Any]]:
    """The updates of a view, a curve as the bytes of its points."""
    updates = []
    for message in of(messages, "comm_msg"):
        data = message["content"]["data"]
        if message["content"]["comm_id"] == view and data.get("method") == "update":
            state = dict(data["state"])
            for path, buffer in zip(data["buffer_paths"], message["buffers"], strict=True):
                state[path[0]] = bytes(buffer)
            updates.append(state | {"size": len(json.dumps(data)) + sum(map(len, message["buffers"]))})
    return updates


def test_at_most_ten_small_updates_a_second_and_the_last_state_is_sent(front: Front) -> None:
    heard = front.run("view = TrainingView('r1', 'mlp', None)\nlast = feed(view, 2.0)\ntime.sleep(0.3)\nprint(last)")
    (view,) = views(heard)
    updates = states(heard, view)
    assert 10 <= len(updates) <= 25
    assert max(update["size"] for update in updates) < 50_000
    last = int(of(heard, "stream")[0]["content"]["text"])
    # The trainer was silent for a moment: what it had said last has come.
    assert updates[-1]["curves"][0]["count"] == last
    (shown,) = of(heard, "display_data")
    assert shown["content"]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] == view
    assert "Without Jupyter widgets" in shown["content"]["data"]["text/plain"]
    front.run("view.show(Finished(time.time()))")


def test_the_end_leaves_a_picture_in_the_same_place_and_no_widget(front: Front) -> None:
    heard = front.run(
        "view = TrainingView('r1', 'mlp', None)\nfeed(view, 0.5)\n"
        "view.show(Epoch(time.time(), 0, 9999, {'val_loss': 0.5}, best=True))\n"
        "view.show(Finished(time.time(), 'finished', 'kept'))\nprint(len(ipywidgets.widgets.widget._instances))"
    )
    (shown,), (left,) = of(heard, "display_data"), of(heard, "update_display_data")
    assert left["content"]["transient"]["display_id"] == shown["content"]["transient"]["display_id"]
    assert set(left["content"]["data"]) == {"image/svg+xml", "text/plain", "text/html"}
    assert "best epoch   1: val_loss 0.5" in left["content"]["data"]["text/plain"]
    assert of(heard, "stream")[0]["content"]["text"] == "0\n"
    assert {one["content"]["comm_id"] for one in of(heard, "comm_close")} >= set(views(heard))
    (view,) = views(heard)
    assert states(heard, view)[-1]["facts"]["phase"] == "finished"


def test_stop_is_heard_while_the_cell_blocks_and_asks_once(front: Front) -> None:
    front.run("asked.clear()")
    cell = front.start("view = TrainingView('r1', 'mlp', lambda: asked.append(threading.current_thread()))\n"
                       "feed(view, 30.0, 0.01, lambda: bool(asked))\ntime.sleep(0.5)")  # fmt: skip
    heard = front.during(1.5)
    (view,) = views(heard)
    subshell = front.ask("create_subshell_request", {})["subshell_id"]
    for _ in range(3):
        content = {"comm_id": view, "data": {"method": "custom", "content": {"ask": "stop"}}}
        message = front.client.session.msg("comm_msg", content)
        message["header"]["subshell_id"] = subshell
        front.client.shell_channel.send(message)
    heard += front.until_idle(cell, 20)
    assert states(heard, view)[-1]["facts"]["asked"] is True
    ended = front.run(
        "view.show(Finished(time.time(), 'stopped'))\nprint(len(asked), asked[0] is threading.main_thread())"
    )
    assert of(ended, "stream")[0]["content"]["text"] == "1 False\n"
    # The callback printed nothing, which would have landed in some cell.
    assert of(heard, "stream") == []
    front.ask("delete_subshell_request", {"subshell_id": subshell})


def test_a_trainer_that_cannot_be_asked_is_a_line_in_the_view(front: Front) -> None:
    heard = front.run(
        "def refuse():\n    raise FileNotFoundError('no such run')\n"
        "view = TrainingView('r1', 'mlp', refuse)\nfeed(view, 0.2)\nview._ask()\ntime.sleep(0.3)"
    )
    (view,) = views(heard)
    facts = states(heard, view)[-1]["facts"]
    assert (facts["asked"], facts["problem"]) == (False, "It could not be asked to stop: no such run")
    front.run("view.close()")


def test_a_thread_feeds_it_after_the_cell_has_ended(front: Front) -> None:
    heard = front.run(
        "view = TrainingView('r1', 'mlp', None)\nview.open()\n"
        "thread = threading.Thread(target=lambda: (feed(view, 2.0), view.show(Finished(time.time()))))\n"
        "thread.start()\ntime.sleep(0.5)"
    )
    (view,) = views(heard)
    # Displayed in its cell: a page shows nothing that comes after it.
    assert len(of(heard, "display_data")) == 1
    later = front.during(4.0)
    assert len(states(later, view)) >= 5
    assert len(of(later, "update_display_data")) == 1


def test_a_follower_that_goes_away_leaves_what_is_known(front: Front) -> None:
    heard = front.run("view = TrainingView('r1', 'mlp', None)\nfeed(view, 0.3)\nview.close()\nview.close()")
    (left,) = of(heard, "update_display_data")
    assert "unseen: its end was not seen here; next: lepton runs" in left["content"]["data"]["text/plain"]


def test_a_view_that_saw_nothing_leaves_nothing(front: Front) -> None:
    heard = front.run("TrainingView('r1', 'mlp', None).close()")
    assert of(heard, "display_data", "update_display_data", "comm_open") == []


def test_without_its_build_the_view_is_a_line_that_tells_the_next_step(front: Front) -> None:
    heard = front.run(
        "import pathlib\nfrom lepton_nb.widgets import view as module\n"
        "built, module.STATIC = module.STATIC, pathlib.Path('/nowhere')\n"
        "view = TrainingView('r1', 'mlp', None)\nfeed(view, 2.5)\nview.show(Finished(time.time()))\n"
        "module.STATIC = built"
    )
    assert of(heard, "comm_open", "comm_msg") == []
    updates = of(heard, "update_display_data")
    assert 2 <= len(updates) <= 4
    assert "loss 0.0" in updates[0]["content"]["data"]["text/plain"]
    assert "next: make install" in updates[0]["content"]["data"]["text/plain"]
    assert "image/svg+xml" in updates[-1]["content"]["data"]


def test_on_a_voila_page_the_widget_stays_with_the_last_state() -> None:
    front = Front(SERVER_SOFTWARE="voila/0.5.13")
    try:
        heard = front.run(
            "view = TrainingView('r1', 'mlp', None)\nlast = feed(view, 0.5)\n"
            "view.show(Finished(time.time()))\nprint(last)"
        )
        (view,) = views(heard)
        last = states(heard, view)[-1]
        assert last["facts"]["phase"] == "finished"
        assert last["curves"][0]["count"] == int(of(heard, "stream")[0]["content"]["text"])
        assert of(heard, "comm_close", "update_display_data") == []
    finally:
        front.close()


def test_a_long_training_with_many_metrics_leaves_less_than_200_kilobytes() -> None:
    code = """
import math
view = TrainingView("r1", "mlp", None, live=False)
view.show(Started(0.0, "mlp", 10**5, "r1", 1000))
names = [f"metric_with_a_long_name_{i}" for i in range(20)] + ["loss", "val_loss", "train_loss"]
for step in range(10**5):
    chosen = enumerate(names[:: 1 + step % 5])
    view.show(Curve(step / 10, step, {name: math.sin(step * (i + 1)) + 1.5 for i, name in chosen}))
view.show(Note(0.0, "x" * 10**6))
view.show(Failed(10**4, "ValueError", "y" * 10**6))
"""
    cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=250).execute()
    (left,) = notebook.cells[1].outputs
    assert left.data["text/plain"].startswith("training mlp\nstatus")
    assert "image/svg+xml" in left.data
    assert len(json.dumps(left)) <= 200_000
    assert "widgets" not in notebook.metadata
