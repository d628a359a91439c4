"""A watch reads the few files of days for all that was ever answered."""

from __future__ import annotations

import time

from lepton_nb.dashboards import facts
from lepton_nb.loop.traffic import traffic_of
from lepton_nb.monitoring import store

DAY = 86400.0


def test_all_that_was_answered_is_read_of_the_longest_windows(logged, monkeypatch):
    one = logged()
    deployment = one.record()
    now = time.time()
    for age in (40 * DAY, 30 * DAY, 60.0):
        one.answer(one.rows(3), at=now - age)
    one.log.close()
    (log,) = one.segments
    log.rename(one.folder / f"log-{2**22 - 3}-1.jsonl")
    assert traffic_of(one.ws, one.name).requests == 3
    read = []
    plain = store._read
    monkeypatch.setattr(store, "_read", lambda folder, part: read.append(part.level) or plain(folder, part))
    assert sum(traffic_of(one.ws, one.name).rows.values()) == 9
    assert set(read) == {store.DAY}
    read.clear()
    found = facts.closer(one.ws, deployment, 70 * DAY, time.time())
    assert sum(found.versions.values()) == 9
    # The rate of the last minute alone is told by minutes.
    assert read.count(store.MINUTE) == 1
