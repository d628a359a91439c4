"""The connection to a Ray cluster: one that runs, or one of this machine that is ours and ends with us.

Ray connects a whole process, keeps its token for good and ends the process when a cluster is lost: connect in a
process made for it. Our own cluster listens on the loopback interface and asks for a token that lies in a private
folder. Ray's processes pickle what they send each other, so whoever holds the token may run code as this user.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import MissingError, PipelineError

__all__ = ["LIGHT", "connected"]

# Folder of `connected` that Ray's own processes import from first; what they start needs it no more.
LIGHT = "light"
_PROBE_S = 5.0
_OBJECTS = 80 * 2**20
_INSTALL = "pip install 'lepton_nb[ray]'"
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextlib.contextmanager
def connected(address: str | None, folder: Path) -> Iterator[str]:
    """Connect this process, whose environment changes, to a cluster; disconnect at the end.

    Args:
        address: `host:port`, `ray://host:port` or `auto`; None or `local` starts a cluster, which ends at the end.
        folder: a private folder with a short path, for what our own cluster writes.

    Yields:
        The address of the cluster.

    Raises:
        MissingError: Ray, or what this address needs of it, is not installed.
        PipelineError: the cluster does not answer, or does not let us in.
    """
    address = None if address in (None, "", "local") else address
    os.environ.pop("RAY_ADDRESS", None)
    # What our own cluster and the connection never do: report usage, ask long, repeat what fills the memory.
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_NUM_REDIS_GET_RETRIES": "3",
        "RAY_task_oom_retries": "1",
    }
    _own(folder) if address is None else _foreign(address)
    # jsonschema compiles this grammar at import, 1.3 s, for a check that Ray does not ask for.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment] # marks a module as not importable
    try:
        import ray
    except ModuleNotFoundError as cause:
        if cause.name != "ray":
            raise
        raise MissingError("ray is not installed", hint=_INSTALL) from cause
    # Ray opens its own folder to everybody, so it lies in ours.
    own: dict[str, Any] = (
        {}
        if address
        else {"include_dashboard": False, "object_store_memory": _OBJECTS, "_temp_dir": str(folder / "ray")}
    )
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        yield address or str(ray.get_runtime_context().gcs_address)
    except (ray.exceptions.AuthenticationError, ConnectionError, RuntimeError, ValueError) as cause:
        if ray.is_initialized():
            raise
        raise _refused(address, cause) from cause
    finally:
        ray.shutdown()


def _own(folder: Path) -> None:
    """What Ray reads before it starts a cluster: only this machine, and only with the token."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.pop("RAY_AUTH_TOKEN", None)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), **_loopback()}
    # Seven processes of Ray would each compile the grammar that `connected` tells of.
    light = folder / LIGHT
    light.mkdir()
    (light / "rfc3987_syntax.py").write_text('raise ImportError("left out: slow to import")\n')
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(light), os.environ.get("PYTHONPATH"))))


def _foreign(address: str) -> None:
    """See that somebody answers: Ray itself asks for two minutes."""
    if any(map(os.environ.get, _TOKENS)):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise PipelineError(
            f"{address!r} is no address of a Ray cluster", expected="HOST:PORT, ray://HOST:PORT, auto or local"
        )
    try:
        found = socket.create_connection((host, int(port)), _PROBE_S)
    except OSError as cause:
        raise _refused(address, cause) from cause
    with found:
        if found.getpeername()[0] in ("127.0.0.1", "::1") and not _answers(_outside(), int(port)):
            os.environ |= _loopback()


def _loopback() -> dict[str, str]:
    """The switch that makes Ray take 127.0.0.1 as it is; else it puts the machine's outer address in its place."""
    return {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def _outside() -> str:
    """The address that this machine has for others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        # Nothing is sent: the system only chooses the interface.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), _PROBE_S):
        return True
    return False


def _refused(address: str | None, cause: BaseException) -> PipelineError | MissingError:
    reason = " ".join(f"{cause} {cause.__cause__ or ''}".split())
    if "ray[client]" in reason:
        return MissingError(f"{address} needs Ray's client", hint="pip install 'ray[client]'")
    if address is None:
        return PipelineError("Ray did not start on this machine", got=reason[:300], hint="leave out --on ray")
    if "auth" in reason.lower():
        return PipelineError(
            f"the Ray cluster at {address} does not let us in",
            expected="its token",
            hint="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the file with the cluster's token",
        )
    return PipelineError(
        f"no Ray cluster answers at {address}",
        got=reason[:300],
        hint="check RAY_ADDRESS and that the cluster runs (ray status), or unset it for a cluster of this machine",
    )
