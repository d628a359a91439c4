"""`python -m lepton_runtime [--host H] [--port P] [--workers N]`: serve under uvicorn's own worker supervisor.

Also a single worker has a supervisor, so that one that dies is started again.
"""

from __future__ import annotations

import argparse
import sys
import time
from socket import socket

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

__all__ = ["main"]

_FAILED = 3


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal ends it.

    Args:
        arguments: of the command line; default: this process's.
    """
    parser = argparse.ArgumentParser(prog="python -m lepton_runtime", description="Serve the model of this Bento.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=3000, help="TCP port")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    given = parser.parse_args(arguments)
    package = __name__.rpartition(".")[0] or "lepton_runtime"
    config = uvicorn.Config(
        f"{package}.asgi:app",
        host=given.host,
        port=given.port,
        workers=max(1, given.workers),
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        use_colors=False,
        timeout_graceful_shutdown=5,
        # A worker that loads a large model is not one that hangs.
        timeout_worker_healthcheck=60,
    )
    supervisor = _Supervisor(config, sockets=[config.bind_socket()])
    supervisor.run()
    if supervisor.has_failed:
        sys.exit(_FAILED)


class _Supervisor(Multiprocess):
    """Starts a worker again that dies, unless one fails before any has ever been ready: it would fail for ever.

    Uvicorn's own waits for the answer of one worker before it looks at the next: one that is killed while it starts
    never answers, and for a minute none would be started again.
    """

    has_answered = has_failed = False

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        # When each worker was asked whether it is ready, and has not answered yet.
        self._asked: dict[Process, float] = {}

    def keep_subprocess_alive(self) -> None:
        """Look after the workers, unless they are being ended."""
        if self.should_exit.is_set():
            return
        answering = [self._answers(process) for process in self.processes]
        for place, process in enumerate(self.processes):
            if answering[place]:
                continue
            process.kill()
            process.join()
            if not self.has_answered and (process.exitcode or 0) > 0:
                self.has_failed = True
                self.should_exit.set()
                return
            # Whatever ended it has been told to this process, too, and comes first.
            if self.should_exit.is_set() or self.signal_queue:
                return
            self._asked.pop(process, None)
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()

    def _answers(self, process: Process) -> bool:
        """Whether a worker lives and does not hang; its answer is not waited for."""
        if not process.process.is_alive():
            return False
        try:
            if process in self._asked and process.parent_conn.poll():
                self.has_answered |= process.parent_conn.recv()
                del self._asked[process]
            if process not in self._asked:
                process.parent_conn.send(b"ping")
                self._asked[process] = time.monotonic()
        except (OSError, EOFError):
            return False
        return time.monotonic() - self._asked[process] < self.config.timeout_worker_healthcheck


if __name__ == "__main__":
    main()
