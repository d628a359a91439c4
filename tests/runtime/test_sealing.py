"""Segments that are full or old are copied elsewhere and removed in time, and no others."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from lepton_nb.runtime import Slot
from lepton_nb.runtime.predlog import PredictionLog
from lepton_nb.runtime.sealing import announce, sealed, tend
from lepton_nb.runtime.settings import Settings

DEAD = 2**22 - 3


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / f"log-{DEAD}-1.jsonl").write_text("of one that has ended\n")
    (tmp_path / "log" / f"log-{os.getppid()}-1.jsonl").write_text("of one that lives\n")
    (tmp_path / "log" / "deployment.json").write_text("{}")
    return tmp_path / "log"


def settings_of(folder: Path, **given) -> Settings:
    return Settings(Slot("m:1", folder), log_dir=folder, **given)


def copies(target: Path) -> list[Path]:
    """The segments at a place, and what is half there."""
    return [path for path in target.iterdir() if path.name not in ("models", "slots.json")]


def test_what_nobody_writes_to_any_more_is_sealed(folder):
    log = PredictionLog(folder, seconds=0.05)
    log.append(b"one\n")
    log.seal()
    assert {path.name for path in sealed(folder, log.closed)} == {f"log-{DEAD}-1.jsonl"}
    time.sleep(0.06)
    log.seal()
    (first,) = log.closed
    # What is begun between the look at what is closed and the look at the folder is not sealed.
    closed = set(log.closed)
    log.append(b"two\n")
    assert {path.name for path in sealed(folder, closed)} == {f"log-{DEAD}-1.jsonl", first}
    log.close()
    assert len(list(sealed(folder, log.closed))) == 3


def test_under_load_every_line_is_copied(tmp_path):
    (tmp_path / "log").mkdir()
    log = PredictionLog(tmp_path / "log", seconds=0.005)
    settings = settings_of(tmp_path / "log", log_url=f"file://{tmp_path / 'elsewhere'}", keep_s=3600.0)
    stop, count = threading.Event(), [0]

    def write():
        while not stop.is_set():
            log.append(b"line\n")
            count[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(40):
            time.sleep(0.01)
            log.seal()
            tend(settings, set(log.closed))
    finally:
        stop.set()
        writer.join()
    log.close()
    tend(settings, log.closed)
    copied = sum(path.read_bytes().count(b"\n") for path in copies(tmp_path / "elsewhere"))
    assert copied == count[0] > 100


def test_sealed_segments_are_copied_once_and_then_removed_when_they_are_old(folder, tmp_path):
    target = tmp_path / "elsewhere"
    settings = settings_of(folder, log_url=f"file://{target}", keep_s=3600.0)
    for _ in range(2):
        tend(settings, ())
    (copied,) = copies(target)
    assert copied.name.endswith(f"-log-{DEAD}-1.jsonl")
    assert copied.read_text() == "of one that has ended\n"
    assert (folder / f"log-{DEAD}-1.jsonl").exists()
    os.utime(folder / f"log-{DEAD}-1.jsonl", (1, 1))
    os.utime(folder / f"log-{os.getppid()}-1.jsonl", (1, 1))
    tend(settings, ())
    assert {path.name for path in folder.iterdir()} == {
        f"log-{os.getppid()}-1.jsonl",
        "deployment.json",
        "tending.lock",
    }
    assert len(copies(target)) == 1


def test_what_cannot_be_copied_is_kept_however_old_it_is_and_tried_again(folder, tmp_path, caplog):
    (tmp_path / "elsewhere").write_text("a file where a folder shall be")
    os.utime(folder / f"log-{DEAD}-1.jsonl", (1, 1))
    settings = settings_of(folder, log_url=f"file://{tmp_path / 'elsewhere'}", keep_s=1.0)
    tend(settings, ())
    assert (folder / f"log-{DEAD}-1.jsonl").exists()
    assert "a log segment could not be tended" in caplog.text
    (tmp_path / "elsewhere").unlink()
    tend(settings, ())
    assert not (folder / f"log-{DEAD}-1.jsonl").exists()
    assert len(copies(tmp_path / "elsewhere")) == 1


def test_one_worker_at_a_time_tends(folder, tmp_path):
    import fcntl

    with (folder / "tending.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tend(settings_of(folder, log_url=f"file://{tmp_path / 'elsewhere'}"), ())
        assert not (tmp_path / "elsewhere").exists()
    tend(settings_of(folder, log_url=f"file://{tmp_path / 'elsewhere'}"), ())
    assert len(copies(tmp_path / "elsewhere")) == 1


def test_beside_the_segments_lies_what_their_drift_is_measured_against(folder, tmp_path):
    target, model = tmp_path / "elsewhere", tmp_path / "model"
    model.mkdir()
    for name in ("signature.json", "reference.json", "model.onnx"):
        (model / name).write_text(f'{{"of": "{name}"}}')
    settings = Settings(Slot("demo:7", model), log_dir=folder, log_url=f"file://{target}")
    for _ in range(2):
        tend(settings, ())
    assert json.loads((target / "slots.json").read_text()) == {"format": 1, "slots": {"champion": {"bento": "demo:7"}}}
    assert {path.name: path.read_text() for path in (target / "models" / "demo" / "7").iterdir()} == {
        "signature.json": '{"of": "signature.json"}',
        "reference.json": '{"of": "reference.json"}',
    }


def test_two_machines_whose_segments_have_the_same_name_and_time_do_not_meet(tmp_path):
    target = tmp_path / "elsewhere"
    for machine in ("a", "b"):
        (tmp_path / machine).mkdir()
        path = tmp_path / machine / f"log-{DEAD}-1.jsonl"
        path.write_text(f"of {machine}\n")
        tend(settings_of(tmp_path / machine, log_url=f"file://{target}"), ())
    assert sorted(path.read_text() for path in copies(target)) == ["of a\n", "of b\n"]


def test_what_is_sealed_as_parquet_is_kept_as_long_as_its_rows(folder):
    (folder / "sealed").mkdir()
    for name in ("old", "new"):
        (folder / "sealed" / f"{name}.parquet").write_text("rows")
    os.utime(folder / "sealed" / "old.parquet", (1, 1))
    tend(settings_of(folder, keep_s=3600.0), ())
    assert [path.name for path in (folder / "sealed").iterdir()] == ["new.parquet"]


def test_whether_segments_are_copied_is_said_in_the_folder(folder):
    for url, is_said in (("file:///nowhere", True), ("", False)):
        announce(settings_of(folder, log_url=url))
        assert (folder / "copying").exists() is is_said
