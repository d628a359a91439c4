"""`python -m lepton_runtime [--host H] [--port P] [--workers N]`: serve under uvicorn's own worker supervisor.

Also a single worker has a supervisor, so that one that dies is started again.
"""

from __future__ import annotations

import argparse
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess

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
    """Starts a worker again that dies, unless one fails before any has ever been ready: it would fail for ever."""

    has_answered = has_failed = False

    def keep_subprocess_alive(self) -> None:
        """Look after the workers."""
        if not self.has_answered:
            self.has_answered = any(process.is_ready(timeout=0.5) for process in self.processes)
            if not self.has_answered and any((process.exitcode or 0) > 0 for process in self.processes):
                self.has_failed = True
                self.should_exit.set()
                return
        super().keep_subprocess_alive()


if __name__ == "__main__":
    main()
