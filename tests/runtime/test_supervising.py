"""The supervisor starts no worker while all are being ended."""

import signal

import pytest
import uvicorn
from uvicorn.supervisors.multiprocess import SIGNALS, Process

from lepton_nb.runtime.__main__ import _Supervisor


async def app(scope, receive, send):
    """An app that is never asked."""


@pytest.fixture
def supervisor():
    """One with a worker that has ended; a worker that it starts is ended with the test."""
    before = {sig: signal.getsignal(sig) for sig in SIGNALS}
    config = uvicorn.Config(app, lifespan="off", workers=1, log_config=None)
    made = _Supervisor(config, sockets=[])
    made.processes = [Process(config, [])]
    made.processes[0].start()
    made.processes[0].kill()
    made.processes[0].join()
    yield made
    for process in made.processes:
        process.kill()
        process.join()
    for sig, handler in before.items():
        signal.signal(sig, handler)


def test_a_worker_that_was_ended_with_its_supervisor_is_not_started_again(supervisor):
    (ended,) = supervisor.processes
    supervisor.should_exit.set()
    supervisor.keep_subprocess_alive()
    assert supervisor.processes == [ended]


def test_a_signal_that_is_not_looked_at_yet_comes_before_another_worker(supervisor):
    (ended,) = supervisor.processes
    supervisor.signal_queue.append(signal.SIGINT)
    supervisor.keep_subprocess_alive()
    assert supervisor.processes == [ended]
    # Without a reason to end, the worker is started again.
    supervisor.signal_queue.clear()
    supervisor.keep_subprocess_alive()
    assert supervisor.processes != [ended]
    assert supervisor.processes[0].process.is_alive()
