"""Each label is joined once, and what was joined adds up to what the rows say."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import Counter

import numpy as np
import pytest
from judging import predict, tell, uuid_at

from lepton_nb.errors import FormatError
from lepton_nb.monitoring import labelled
from lepton_nb.monitoring.labels import joining, ledger
from lepton_nb.scores import Tally

NOW = time.time()  # each test sets its own: see conftest
DAY = 24 * 3600


def total(one):
    """Everything that was joined, of all windows."""
    found = Tally(2)
    for *_, tally in ledger.sums(one.folder, ledger.read(one.folder).parts):
        found.add_dict(tally)
    return found


def expected(one):
    """The same from the rows."""
    table = labelled(one.ws, one.name)
    p = np.array(table["probabilities"].to_pylist())
    cities = [json.loads(row)["city"] for row in table["inputs"].to_pylist()]
    return Tally.of(p, [("no", "yes").index(name) for name in table["truth"].to_pylist()], {"city": cities})


def same(one, other):
    assert one.confusion.tolist() == other.confusion.tolist()
    assert one.confidence.tolist() == other.confidence.tolist()
    assert one.surprise == pytest.approx(other.surprise, abs=1e-6)
    np.testing.assert_allclose(one.calibration, other.calibration, atol=1e-6)
    assert {k: v.tolist() for k, v in one.segments["city"].items()} == {
        k: v.tolist() for k, v in other.segments["city"].items()
    }


def test_labels_in_many_steps_add_up_to_the_rows(logged):
    one = logged()
    rng = np.random.default_rng(0)
    ids: list[str] = []
    told: Counter[str] = Counter()
    for step in range(40):
        ids += predict(one, one.rows(25, seed=step), rng.random(25), at=NOW - 70 * (40 - step))
        # Some are told twice, and not always the same.
        chosen = rng.choice(ids, 12, replace=False).tolist()
        tell(one, [(identifier, str(rng.choice(["no", "yes"]))) for identifier in chosen], at=NOW + step)
        told.update(chosen)
        joining.join(one.ws, one.folder)
    same(total(one), expected(one))
    found = ledger.read(one.folder)
    assert found.joined == len(told) == total(one).rows
    assert found.replaced + found.repeated == told.total() - len(told)
    assert found.replaced > 20
    # As a binary counter: few files, however many steps.
    assert len(found.parts) <= 10
    assert len(list((one.folder / "labels").glob("*.parquet"))) == len(found.parts)


def test_what_was_joined_is_not_joined_again(logged, monkeypatch):
    one = logged()
    ids = predict(one, one.rows(50), np.linspace(0, 1, 50))
    tell(one, [(identifier, "yes") for identifier in ids])
    joining.join(one.ws, one.folder)

    def never(*_):
        raise AssertionError("the log was read again")

    monkeypatch.setattr(joining, "predicted", never)
    before = (one.folder / "labels" / "state.json").stat().st_mtime_ns
    joining.join(one.ws, one.folder)
    assert (one.folder / "labels" / "state.json").stat().st_mtime_ns == before


def test_a_label_for_an_unknown_prediction_waits_and_is_counted(logged):
    one = logged()
    identifier = uuid_at(NOW)
    tell(one, [(identifier, "yes")])
    found = joining.join(one.ws, one.folder, now=NOW)
    assert (found.joined, found.unmatched) == (0, 1)
    # Its prediction comes after all, with a segment of another machine.
    line = {
        "format": 1,
        "id": identifier,
        "time": NOW,
        "slot": "champion",
        "version": one.version,
        "inputs": one.rows(1)[0],
        "outputs": {"label": "yes", "probabilities": [0.1, 0.9]},
        "latency_ms": 1.0,
    }
    (one.folder / "log-1-1.jsonl").write_text(json.dumps(line, separators=(",", ":")) + "\n")
    assert joining.join(one.ws, one.folder, now=NOW + 30).unmatched == 1
    found = joining.join(one.ws, one.folder, now=NOW + 61)
    assert (found.joined, found.unmatched) == (1, 0)


def test_a_label_that_never_finds_its_prediction_is_looked_for_ever_more_rarely(logged, monkeypatch):
    one = logged()
    tell(one, [(uuid_at(NOW), "yes")])
    looks: list[float] = []
    clock = [NOW]
    plain = joining.predicted
    monkeypatch.setattr(joining, "predicted", lambda *args: looks.append(clock[0]) or plain(*args))
    while clock[0] < NOW + 9 * DAY:
        found = joining.join(one.ws, one.folder, now=clock[0])
        clock[0] += 610
    assert len(looks) < 20
    assert (found.lost, found.pending, found.unmatched) == (1, (), 1)


def test_a_label_that_was_told_earlier_does_not_replace_a_later_one(logged):
    one = logged()
    (identifier,) = predict(one, one.rows(1), [0.9])
    tell(one, [(identifier, "yes")], at=NOW)
    joining.join(one.ws, one.folder)
    tell(one, [(identifier, "no")], at=NOW - 5)
    joining.join(one.ws, one.folder)
    assert total(one).right == 1
    tell(one, [(identifier, "no")], at=NOW + 5)
    joining.join(one.ws, one.folder)
    assert (total(one).rows, total(one).right) == (1, 0)
    assert labelled(one.ws, one.name)["truth"].to_pylist() == ["no"]


def test_a_torn_line_waits_and_a_broken_one_is_counted(logged):
    one = logged()
    ids = predict(one, one.rows(2), [0.9, 0.8])
    tell(one, [(identifier, "yes") for identifier in ids])
    (path,) = one.folder.glob("feedback-*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(b"{}\n\xff\n" + whole[:-20])
    found = joining.join(one.ws, one.folder)
    assert (found.joined, found.broken) == (1, 2)
    with path.open("ab") as stream:
        stream.write(whole[-20:])
    found = joining.join(one.ws, one.folder)
    assert (found.joined, found.broken) == (2, 2)


def test_labels_outlast_the_files_that_told_them(logged):
    one = logged()
    ids = predict(one, one.rows(3), [0.9, 0.8, 0.1])
    tell(one, [(identifier, "yes") for identifier in ids], at=NOW)
    joining.join(one.ws, one.folder)
    for path in one.folder.glob("feedback-*.jsonl"):
        path.unlink()
    assert labelled(one.ws, one.name).num_rows == 3
    tell(one, [(ids[2], "no")], at=NOW + 9)
    joining.join(one.ws, one.folder)
    assert total(one).right == 3
    assert list(ledger.read(one.folder).feedback) == [path.name for path in one.folder.glob("feedback-*.jsonl")]


def test_old_windows_are_joined_to_hours_and_days(logged):
    one = logged()
    ids = []
    for hours in range(0, 24 * 70, 5):
        ids += predict(one, one.rows(1), [0.9], at=NOW - 3600 * (24 * 70 - hours))
    tell(one, [(identifier, "yes") for identifier in ids])
    joining.join(one.ws, one.folder)
    seconds = Counter(window[2] for window in ledger.sums(one.folder, ledger.read(one.folder).parts))
    assert set(seconds) == {60, 3600, DAY}
    assert seconds[DAY] <= 42
    assert total(one).rows == len(ids)


def _join_often(ws, folder, begin, many):
    begin.wait()
    for _ in range(many):
        joining.join(ws, folder)


def test_two_that_join_at_once_count_nothing_twice(logged):
    one = logged()
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(3)
    both = [context.Process(target=_join_often, args=(one.ws, one.folder, begin, 60)) for _ in range(2)]
    for process in both:
        process.start()
    begin.wait()
    rng = np.random.default_rng(0)
    for step in range(30):
        ids = predict(one, one.rows(5, seed=step), rng.random(5))
        tell(one, [(identifier, "yes") for identifier in ids])
        # A viewer who looks meanwhile sees whole labels only.
        assert total(one).rows % 5 == 0
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    joining.join(one.ws, one.folder)
    assert total(one).rows == 150
    same(total(one), expected(one))


@pytest.mark.parametrize("blow", range(6))
def test_killed_while_joining_nothing_is_lost_or_doubled(logged, blow):
    one = logged()
    rng = np.random.default_rng(blow)
    ids = predict(one, one.rows(400), rng.random(400))
    tell(one, [(identifier, "yes") for identifier in ids[:200]], at=NOW)
    joining.join(one.ws, one.folder)
    tell(one, [(identifier, str(rng.choice(["no", "yes"]))) for identifier in ids[100:]], at=NOW + 1)
    child = os.fork()
    if child == 0:
        renames = iter(range(100))
        from pathlib import Path

        plain = Path.replace

        def replace(self, target):
            # In front of the first, second, third rename, and behind them.
            step = next(renames)
            if step == blow // 2 and blow % 2 == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = plain(self, target)
            if step == blow // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        Path.replace = replace
        joining.join(one.ws, one.folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    joining.join(one.ws, one.folder)
    assert total(one).rows == 400
    same(total(one), expected(one))
    # What the killed one left goes with the next that is written.
    tell(one, [(ids[0], "no")], at=NOW + 2)
    joining.join(one.ws, one.folder)
    named = {f"{part.number:08d}" for part in ledger.read(one.folder).parts}
    assert {path.name.partition(".")[0] for path in (one.folder / "labels").glob("0*")} == named


def test_a_broken_state_says_what_to_do(logged):
    one = logged()
    (identifier,) = predict(one, one.rows(1), [0.9])
    tell(one, [(identifier, "yes")])
    joining.join(one.ws, one.folder)
    (one.folder / "labels" / "state.json").write_text('{"format": 1, "parts": 3}')
    with pytest.raises(FormatError, match="delete the folder"):
        joining.join(one.ws, one.folder)
