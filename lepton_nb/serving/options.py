"""How a Bento is served, and how that is said to its runtime."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypedDict

from ..errors import UsageError
from ..runtime import ModelError

__all__ = ["Serve", "ServeOptions", "seconds_of"]

_HOSTS = ("127.0.0.1", "localhost")
_PUBLIC = "0.0.0.0"  # noqa: S104 - only when --public says so
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Serve:
    """How to serve.

    Args:
        host: `127.0.0.1` or `localhost`; the address of every network when `public`.
        port: TCP port, or 0 for a free one.
        workers: worker processes.
        public: listen to other machines, too.
        log: `durable`, `sample=0.1`, or both with a comma.
        log_inputs: `yes`, `no`, `hash`, or for single columns `hash:ssn;no:name`.
        log_url: where sealed segments of the log are copied.
        keep: how long segments of the log are kept, such as `30d`; empty for ever.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int = 1
    public: bool = False
    log: str = ""
    log_inputs: str = "yes"
    log_url: str = field(default="", repr=False)
    keep: str = ""

    @property
    def address(self) -> str:
        """What the server listens at."""
        return _PUBLIC if self.public else self.host

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: an option makes no sense.
        """
        from ..runtime.settings import check_log

        if self.host not in _HOSTS:
            raise UsageError(
                f"host {self.host!r} is not served",
                expected=" or ".join(_HOSTS),
                hint="--public listens to other machines; put a reverse proxy with TLS in front of it",
            )
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port {self.port} is not a TCP port", expected="1 to 65535, or 0 for a free one")
        if self.workers < 1:
            raise UsageError(f"{self.workers} workers cannot serve", expected="at least 1")
        try:
            check_log(self.log, self.log_inputs)
        except ModelError as cause:
            told = str(cause).replace("LEPTON_LOG_INPUTS", "--log-inputs").replace("LEPTON_LOG", "--log")
            raise UsageError(told) from cause
        if self.keep:
            seconds_of(self.keep)

    def environment(self) -> dict[str, str]:
        """The variables of the runtime that say so."""
        keep = str(seconds_of(self.keep)) if self.keep else ""
        stated = {
            "LEPTON_LOG": self.log,
            "LEPTON_LOG_INPUTS": self.log_inputs,
            "LEPTON_LOG_URL": self.log_url,
            "LEPTON_LOG_KEEP": keep,
        }
        return {name: value for name, value in stated.items() if value}


class ServeOptions(TypedDict, total=False):
    """The fields of `Serve`, as keyword arguments."""

    host: str
    port: int
    workers: int
    public: bool
    log: str
    log_inputs: str
    log_url: str
    keep: str


def seconds_of(text: str) -> int:
    """A length of time such as `30d`, `12h`, `90m`, `10s` in seconds.

    Raises:
        UsageError: it is none.

    Example:
        >>> seconds_of("30d"), seconds_of("90m")
        (2592000, 5400)
    """
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if not found or not int(found[1]):
        raise UsageError(f"{text!r} is no length of time", expected="a number and s, m, h or d, such as 30d")
    return int(found[1]) * _UNITS[found[2]]
