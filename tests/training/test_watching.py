import subprocess
import sys
import time

import pytest

from lepton_nb import models
from lepton_nb.errors import FormatError
from lepton_nb.processes import identify, is_alive
from lepton_nb.records import Epoch, Failed, Finished, Note, Resumed, encode, monitored
from lepton_nb.training.events import EventLog, Tail
from lepton_nb.training.following import Watch, cause_of_death
from lepton_nb.training.job import Job, is_asked_to_stop


@pytest.fixture
def trainer():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield identify(process.pid)
    process.kill()
    process.wait()


def test_a_torn_line_waits_until_it_is_whole(tmp_path):
    tail, line = Tail(tmp_path), encode(Note(1.0, "hello"))
    assert tail.read() == []
    with (tmp_path / "events.jsonl").open("ab", buffering=0) as stream:
        stream.write(line + line[:9])
        assert tail.read() == [Note(1.0, "hello")]
        assert tail.read() == []
        stream.write(line[9:])
        assert tail.read() == [Note(1.0, "hello")]


@pytest.mark.parametrize("last", [Finished(2.0), Failed(2.0, "ValueError", "no")])
def test_watching_ends_with_the_last_event_though_the_process_lives_on(tmp_path, trainer, last):
    log, told = EventLog(tmp_path), []
    log.write(Epoch(1.0, 0, 5, {"loss": 1.0}))
    log.write(last)
    assert Watch(tmp_path, trainer, told.append).attend() == last
    assert [event.kind for event in told] == ["epoch", last.kind]


def test_watching_ends_when_the_process_dies_after_all_it_wrote_was_told(tmp_path):
    code = "import sys; from pathlib import Path; Path(sys.argv[1]).write_bytes(sys.argv[2].encode())"
    line = encode(Note(1.0, "last words")).decode()
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "events.jsonl", line])
    told = []
    assert Watch(tmp_path, identify(process.pid), told.append).attend() is None
    assert told == [Note(1.0, "last words")]
    process.wait()


def test_the_first_interrupt_asks_and_the_second_one_kills(tmp_path, trainer):
    EventLog(tmp_path).write(Note(1.0, "training"))
    asked = []

    def impatient(event):
        asked.append(is_asked_to_stop(tmp_path))
        raise KeyboardInterrupt

    ending = Watch(tmp_path, trainer, impatient).attend()
    assert asked == [False, True]
    assert isinstance(ending, Finished)
    assert ending.status == "stopped"
    assert not is_alive(trainer)


def test_what_ended_a_run_before_it_went_on_ends_no_watching(tmp_path, trainer):
    log, told = EventLog(tmp_path), []
    for event in (Epoch(1.0, 0, 5), Failed(2.0, "OSError", "no"), Resumed(3.0), Epoch(4.0, 1, 9), Finished(5.0)):
        log.write(event)
    assert Watch(tmp_path, trainer, told.append).attend() == Finished(5.0)
    assert [event.kind for event in told] == ["epoch", "resumed", "epoch", "finished"]


def test_watching_for_some_time_ends_with_nothing(tmp_path, trainer):
    before = time.monotonic()
    assert Watch(tmp_path, trainer, print).follow(0.1) is None
    assert time.monotonic() - before >= 0.1


@pytest.mark.parametrize(
    ("code", "cause"),
    [("raise SystemExit(3)", "ended with exit status 3"), ("import os; os.abort()", "was killed by SIGABRT")],
)
def test_a_death_is_told_by_its_exit_status_or_its_signal(tmp_path, code, cause):
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    assert cause_of_death(identify(process.pid), tmp_path).endswith(cause)


def test_the_monitored_loss_is_that_of_validation_whatever_its_name():
    assert monitored({"train_loss": 1, "val_loss": 1, "val_accuracy": 1}) == "val_loss"
    assert monitored({"train/loss": 1, "valid/loss": 1}) == "valid/loss"
    assert monitored({"train_loss_step": 1, "train_loss": 1}) == "train_loss"
    assert monitored({"accuracy": 1}) is None


@pytest.mark.parametrize("text", ['{"format": 1}', "[]", "", '{"format": 1, "sys_path": [], "net": 3, "home": 1}'])
def test_a_broken_job_is_named_in_one_line(tmp_path, text):
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "job.json").write_text(text)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    for read in (Job.read, models.load_trained):
        with pytest.raises(FormatError, match=r"job/job\.json is not readable") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)
