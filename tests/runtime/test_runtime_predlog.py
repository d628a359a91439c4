import os
import resource
import stat
import subprocess
import sys
import textwrap
import threading

from lepton_nb.runtime.predlog import PredictionLog


def test_the_first_line_makes_a_private_file_named_after_the_process(tmp_path):
    log = PredictionLog(tmp_path)
    assert not list(tmp_path.iterdir())
    log.append(b"one\n")
    log.append(b"two\n")
    path = tmp_path / f"log-{os.getpid()}-1.jsonl"
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log.close()


def test_a_full_segment_is_followed_by_the_next(tmp_path):
    log = PredictionLog(tmp_path, segment=8)
    for _ in range(5):
        log.append(b"123\n")
    log.close()
    sizes = {path.name.rpartition("-")[2]: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes == {"1.jsonl": 8, "2.jsonl": 8, "3.jsonl": 4}


def test_a_file_that_an_earlier_process_of_this_id_left_is_not_touched(tmp_path):
    torn = tmp_path / f"log-{os.getpid()}-1.jsonl"
    torn.write_bytes(b'{"torn')
    log = PredictionLog(tmp_path)
    log.append(b"one\n")
    log.close()
    assert torn.read_bytes() == b'{"torn'
    assert (tmp_path / f"log-{os.getpid()}-2.jsonl").read_bytes() == b"one\n"


def test_lines_of_many_threads_stay_whole_over_segments(tmp_path):
    log = PredictionLog(tmp_path, segment=4096)

    def write(number: int) -> None:
        for count in range(200):
            log.append(f"{number} {count} {'x' * 50}\n".encode())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 800
    assert {len(line.split()[2]) for line in lines} == {50}


def test_without_a_folder_nothing_is_logged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PredictionLog(None).append(b"one\n")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_counted_as_lost(tmp_path):
    log = PredictionLog(tmp_path / "absent")
    assert not log.append(b"one\n")
    assert not log.append(b"two\n")
    (tmp_path / "absent").mkdir()
    assert log.append(b"three\n")
    assert log.lost == 2
    assert [path.read_bytes() for path in (tmp_path / "absent").iterdir()] == [b"three\n"]


def test_a_line_cut_short_by_a_full_disk_is_counted_as_lost_and_not_glued_to_the_next(tmp_path):
    # A limit on the file's size cuts a write short as a full disk does.
    script = f"""
        import resource, signal
        from pathlib import Path
        from lepton_nb.runtime.predlog import PredictionLog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, {resource.RLIM_INFINITY}))
        log = PredictionLog(Path({str(tmp_path)!r}))
        print(*[log.append(letter * 79 + b"\\n") for letter in (b"a", b"b", b"c")], log.lost)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "True False True 1\n"
    first, second = sorted(tmp_path.iterdir())
    assert first.read_bytes() == b"a" * 79 + b"\n" + b"b" * 20
    assert second.read_bytes() == b"c" * 79 + b"\n"
