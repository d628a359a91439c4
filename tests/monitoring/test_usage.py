"""What the processes of a deployment use is counted from what they tell of themselves."""

from __future__ import annotations

import json
import time

import pytest

from lepton_nb.errors import FormatError
from lepton_nb.monitoring import observe, usage

GONE = 2**22 - 5
MIB = 2**20


def told(one, pid: int, begin: float, lines: int, *, cores: float, memory: int, name: str = "") -> None:
    path = one.folder / (name or f"usage-{pid}-1.jsonl")
    with path.open("a") as stream:
        for i in range(lines):
            line = {"time": begin + 10 * i, "pid": pid, "cpu_seconds": 5 + 10 * i * cores, "memory_bytes": memory}
            stream.write(json.dumps({"format": 1, **line}) + "\n")


def test_cores_and_memory_of_two_workers(logged):
    one = logged()
    begin = (time.time() - 900) // 60 * 60
    told(one, GONE, begin, 61, cores=0.5, memory=100 * MIB)
    told(one, GONE - 1, begin, 61, cores=0.25, memory=200 * MIB)
    steps = usage(one.ws, one.name, step_seconds=60)
    assert len(steps) == 10
    assert [step.start for step in steps] == [begin + 60 * i for i in range(10)]
    for step in steps:
        assert step.cpu == pytest.approx(0.75)
        assert step.memory_bytes == pytest.approx(150 * MIB, rel=1e-3)
        assert step.workers == pytest.approx(2.0)


def test_lines_that_come_later_go_on_where_the_last_ones_ended(logged):
    one = logged()
    begin = (time.time() - 900) // 60 * 60
    told(one, 1, begin, 4, cores=1.0, memory=MIB)
    observe(one.ws, one.name)
    told(one, 1, begin + 40, 21, cores=1.0, memory=MIB)
    # The CPU seconds of the second call begin anew: one stretch of ten seconds is unknown.
    steps = usage(one.ws, one.name, step_seconds=3600)
    assert sum(step.cpu * step.seconds for step in steps) == pytest.approx(230, abs=1)


def test_a_silence_and_a_broken_line_count_nothing(logged):
    one = logged()
    begin = (time.time() - 900) // 60 * 60
    told(one, 1, begin, 2, cores=1.0, memory=MIB)
    with (one.folder / "usage-1-1.jsonl").open("a") as stream:
        stream.write("no line\n")
    told(one, 1, begin + 500, 2, cores=1.0, memory=MIB)
    assert observe(one.ws, one.name).broken == 1
    assert sum(step.cpu * step.seconds for step in usage(one.ws, one.name, step_seconds=60)) == pytest.approx(
        20, abs=0.1
    )


def test_what_is_counted_of_a_process_that_has_ended_is_removed_and_stays_counted(logged):
    one = logged()
    begin = (time.time() - 900) // 60 * 60
    told(one, GONE, begin, 31, cores=0.5, memory=MIB)
    before = usage(one.ws, one.name, step_seconds=60)
    assert usage(one.ws, one.name, step_seconds=60) == before
    assert not list(one.folder.glob("usage-*"))
    assert len(before) == 5


def test_a_newer_format_is_refused(logged):
    one = logged()
    (one.folder / "usage-1-1.jsonl").write_text(
        '{"format": 2, "time": 1.0, "pid": 1, "cpu_seconds": 1.0, "memory_bytes": 1}\n'
    )
    with pytest.raises(FormatError, match="lines of format 2"):
        usage(one.ws, one.name)
