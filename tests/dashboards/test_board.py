"""The board: what many look at is made once, and a page that is opened asks it before it has a kernel."""

from __future__ import annotations

import re
import threading
import time

from lepton_nb.dashboards import Page
from lepton_nb.dashboards.board import serve
from lepton_nb.dashboards.counter import asked_once
from lepton_nb.dashboards.desk import Desk
from lepton_nb.dashboards.keeper import Keeper
from lepton_nb.dashboards.question import Question


def test_a_page_is_asked_of_the_board_before_it_has_a_kernel(logged, tmp_path):
    one = logged()
    one.answer(one.rows(7))
    one.record()
    Keeper(one.ws).once()
    place = tmp_path / "socket"
    question = Question.parse("deployment", "name=demo")
    assert asked_once(str(place), question) is None
    threading.Thread(target=serve, args=(Desk(one.ws), place), daemon=True).start()
    deadline = time.monotonic() + 60
    while (sections := asked_once(str(place), question)) is None:
        assert time.monotonic() < deadline
    said = re.search("data-lepton='predictions'>([^<]*)<", Page.as_html(question, sections))
    assert said
    assert said[1] == "7"
    assert asked_once("", question) is None
