"""What a server costs before and beside its answers: its start, memory, environment, and what is too large for it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import serving_sides as sides
from serving_sides import Model, Server, SkippedError

_BIG_BODY = 100_000_000
_PIECE = b" " * 2**20


@dataclass
class Bench:
    """The models of all cases, trained when they are first asked for."""

    folder: Path
    runs: int
    seconds: int
    models: dict[str, Model] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        if name not in self.models:
            print(f"  training the network for {name}", flush=True)
            with sides.quiet():
                self.models[name] = {"images": sides.images, "tables": sides.tables}[name](self.folder / name)
        return self.models[name]


def ready(bench: Bench) -> dict[str, Any]:
    """From nothing to the first answer."""
    model = bench.model("images")
    pair = {"ours": sides.ours(model), "peer": sides.bento(model, "eager_bento:Digits")}
    found: dict[str, list[float]] = {"ours": [], "peer": []}
    # The first start of each fills the caches of the disk and does not count.
    for turn in range(bench.runs + 1):
        for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
            began = time.perf_counter()
            with pair[which].start():
                taken = time.perf_counter() - began
            if turn:
                found[which].append(taken)
    return entry("ready", found["ours"], found["peer"], "s", "ours <= 1.5", less=True)


def worker_memory(bench: Bench) -> dict[str, Any]:
    """The largest process of a server behind its first requests."""
    model = bench.model("images")
    pair = {"ours": sides.ours(model), "peer": sides.bento(model, "eager_bento:Digits")}
    found: dict[str, list[float]] = {"ours": [], "peer": []}
    for turn in range(bench.runs):
        for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
            with pair[which].start() as server, httpx.Client(trust_env=False, timeout=60) as client:
                headers = {"content-type": "application/json", **server.headers}
                for _ in range(1000):
                    client.post(f"{server.url}/predict", content=pair[which].body, headers=headers).raise_for_status()
                found[which].append(worker_of(server).memory_info().rss / 1e6)
    return entry("worker_memory", found["ours"], found["peer"], "MB", "ours <= 130", less=True)


def worker_of(server: Server) -> Any:
    """The largest process that answers: a server without workers is one itself, else they are what has no children."""
    import psutil

    top = psutil.Process(server.pid)
    leaves = [one for one in top.children(recursive=True) if not one.children()] or [top]
    return max(leaves, key=lambda one: one.memory_info().rss)


def big_body(bench: Bench, *, chunked: bool) -> list[dict[str, Any]]:
    """A body that is too large: how long until the answer, and how much more memory the worker had at most."""
    model = bench.model("images")
    pair = {"ours": sides.ours(model), "peer": sides.bento(model, "eager_bento:Digits")}
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    grown: dict[str, list[float]] = {"ours": [], "peer": []}
    for turn in range(bench.runs):
        for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
            with pair[which].start() as server:
                headers = {"content-type": "application/json", **server.headers}
                answer = httpx.post(f"{server.url}/predict", content=pair[which].body, headers=headers, trust_env=False)
                answer.raise_for_status()
                status = Path(f"/proc/{worker_of(server).pid}/status")
                # The most memory so far is measured from here on.
                status.with_name("clear_refs").write_text("5")
                before = _kilobytes(status, "VmRSS")
                code, ms = send_big(server, chunked=chunked)
                if which == "ours" and code != 413:
                    sys.exit(f"ours answered {code} to {_BIG_BODY} bytes, expected 413")
                taken[which].append(ms)
                grown[which].append(max(0.001, (_kilobytes(status, "VmHWM") - before) * 1024 / 1e6))
                print(f"  {which}: {code} after {ms:.1f} ms, {grown[which][-1]:.2f} MB more", flush=True)
    name = "big_body_chunked" if chunked else "big_body"
    return [
        entry(name, taken["ours"], taken["peer"], "ms", "ours <= 100 ms", less=True),
        entry(f"{name}_memory", grown["ours"], grown["peer"], "MB more", "" if chunked else "ours <= 5", less=True),
    ]


def _kilobytes(status: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    if found is None:
        raise SkippedError(f"{status} has no {name}; this is measured on Linux")
    return int(found[1])


def send_big(server: Server, *, chunked: bool) -> tuple[int, float]:
    """Send too much, and go on sending until the answer is there.

    Returns:
        Its status, and milliseconds until then.
    """
    address = urlsplit(server.url)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {_BIG_BODY}"
    lines = [f"POST /predict HTTP/1.1\r\nHost: {address.netloc}", "Content-Type: application/json", length]
    lines += [f"{name}: {value}" for name, value in server.headers.items()]
    piece = b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE) if chunked else _PIECE
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        began = time.perf_counter()
        connection.sendall("\r\n".join([*lines, "", ""]).encode())

        def send() -> None:
            # Whoever has refused it may close the connection.
            with contextlib.suppress(OSError):
                for _ in range(_BIG_BODY // len(_PIECE)):
                    connection.sendall(piece)
                connection.sendall(b"0\r\n\r\n" if chunked else _PIECE[: _BIG_BODY % len(_PIECE)])

        sender = threading.Thread(target=send)
        sender.start()
        head = connection.recv(4096)
        taken = (time.perf_counter() - began) * 1e3
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        sender.join()
    return int(head.split()[1]), taken


def environment(bench: Bench) -> dict[str, Any]:
    """What is installed where a Bento is served."""
    bento = bench.model("images").bento
    requirements = bento.path / "env" / "python" / "requirements.txt"
    folder = bench.folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-qq"]
    if subprocess.run([*command, "--disable-pip-version-check", "--no-deps", "-r", requirements]).returncode:
        raise SkippedError(f"the pins of {bento.tag} could not be installed; next: reach a package index")
    ours = sum(map(_on_disk, folder.rglob("*"))) / 1e6
    return entry("environment", [ours], [ours + sum(_of_torch()) / 1e6], "MB", "ours <= 300", less=True)


def _of_torch() -> Iterator[int]:
    for path in importlib.metadata.files("torch") or ():
        yield _on_disk(Path(path.locate()))


def _on_disk(path: Path) -> int:
    """Bytes on the disk, as du counts them."""
    return os.lstat(path).st_blocks * 512 if path.is_symlink() or path.exists() else 0


def entry(
    name: str, mine: list[float], peer: list[float], unit: str, wanted: str, *, less: bool, valid: bool = True
) -> dict[str, Any]:
    """One case, told and as JSON; `less` says that less is better."""
    pairs = [other / own if less else own / other for own, other in zip(mine, peer, strict=True)]
    ours, theirs = statistics.median(mine), statistics.median(peer)
    ratio = round(statistics.median(pairs), 3) if valid else None
    print(
        f"{name}: ours {ours:.2f} {unit}, peer {theirs:.2f}: {ratio} times better (median of {len(pairs)} pairs, "
        f"{min(pairs):.2f} to {max(pairs):.2f}{f'; wanted {wanted}' if wanted else ''})",
        flush=True,
    )
    rounded = {"ours": round(ours, 3), "peer": round(theirs, 3)}
    return {"case": name, **rounded, "unit": unit, "ratio": ratio, "runs": len(pairs)}
