"""What a warm kernel saves: python3's kernel against lepton's, in turn, with the template warm.

python tests/benchmarks/bench_kernel.py [--case warm_kernel] [--runs 5] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import psutil

IMPORTS = "import torch\nimport pytorch_lightning"
CELLS = (IMPORTS, "values = torch.arange(6.0)", "print(values.sum().item())")
KERNELS = ("lepton", "python3")


def notebook(folder: Path, kernel: str) -> Path:
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    path = folder / f"{kernel}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


def warm_kernel(folder: Path, runs: int) -> dict[str, list[float]]:
    """Seconds of `papermill.execute_notebook`, in this process."""
    import papermill

    source = notebook(folder, "python3")

    def execute(kernel: str) -> float:
        start = time.perf_counter()
        papermill.execute_notebook(source, folder / "out.ipynb", kernel_name=kernel, progress_bar=False)
        return time.perf_counter() - start

    return alternate(execute, runs)


def kernel_memory(folder: Path, runs: int) -> dict[str, list[float]]:
    """Private MiB (USS) of one of eight kernels that have imported both."""
    from jupyter_client.manager import KernelManager

    taken = {}
    for name in KERNELS:
        started = []
        try:
            for _ in range(8 if name == "lepton" else 1):
                manager = KernelManager(kernel_name=name)
                manager.start_kernel()
                client = manager.client()
                client.start_channels()
                started.append((manager, client))
                client.wait_for_ready(timeout=120)
                client.execute_interactive("\n".join(CELLS), timeout=120, output_hook=lambda _: None)
            pids = [manager.provisioner.pid for manager, _ in started]
            taken[name] = [psutil.Process(pid).memory_full_info().uss / 2**20 for pid in pids]
        finally:
            for manager, client in started:
                client.stop_channels()
                manager.shutdown_kernel(now=True)
    return taken


def lab_kernel(folder: Path, runs: int) -> dict[str, list[float]]:
    """Seconds from creating a kernel by JupyterLab's REST to the first result of these imports by its websocket."""
    with server("jupyterlab", folder) as (url, headers):

        def ask(method: str, path: str, body: object = None) -> dict:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{url}api/{path}", data, headers, method=method)
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read() or b"null")

        def first_result(kernel: str) -> float:
            start = time.perf_counter()
            identifier = ask("POST", "kernels", {"name": kernel})["id"]
            asyncio.run(result(f"ws{url.removeprefix('http')}api/kernels/{identifier}/channels", headers))
            seconds = time.perf_counter() - start
            ask("DELETE", f"kernels/{identifier}")
            return seconds

        return alternate(first_result, runs)


async def result(url: str, headers: dict[str, str]) -> None:
    from jupyter_client.session import Session
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    channel = await websocket_connect(HTTPRequest(url, headers=headers))
    message = Session().msg("execute_request", {"code": "\n".join(CELLS), "silent": False})
    await channel.write_message(json.dumps({**message, "channel": "shell"}, default=str))
    while told := json.loads(await channel.read_message()):
        if told["msg_type"] == "stream" and told["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            assert told["content"]["text"].strip() == "15.0"
            break
    channel.close()
    while await channel.read_message() is not None:
        pass


def voila_page(folder: Path, runs: int) -> dict[str, list[float]]:
    """Seconds until the whole page is there, without preheating."""
    for kernel in KERNELS:
        notebook(folder, kernel)
    with server("voila", folder) as (url, _):

        def page(kernel: str) -> float:
            start = time.perf_counter()
            with urllib.request.urlopen(f"{url}voila/render/{kernel}.ipynb", timeout=120) as answer:
                text = answer.read().decode()
            assert "15.0" in text
            return time.perf_counter() - start

        return alternate(page, runs)


@contextlib.contextmanager
def server(module: str, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A server of Jupyter's on loopback: its address, and what to send along."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = "benchmark"
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    environment |= {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    options = {
        "jupyterlab": ["--allow-root", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"],
        "voila": [f"--port={port}", "--Voila.ip=127.0.0.1", str(folder)],
    }
    command = [sys.executable, "-m", module, "--no-browser", *options[module]]
    running = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as one:
                one.request("GET", "/")
                one.getresponse()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/", {"Authorization": f"token {token}"}
    finally:
        running.terminate()
        running.wait(20)


def alternate(measure: Callable[[str], float], runs: int) -> dict[str, list[float]]:
    """The measure of both kernels, in turn; the first pair warms caches, and the template, and is not counted."""
    for kernel in KERNELS:
        measure(kernel)
    found: dict[str, list[float]] = {kernel: [] for kernel in KERNELS}
    for turn in range(runs):
        for kernel in KERNELS if turn % 2 else KERNELS[::-1]:
            found[kernel].append(measure(kernel))
    return found


CASES = {"warm_kernel": "s", "kernel_memory": "MiB", "lab_kernel": "s", "voila_page": "s"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=5, help="pairs per case")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cases = []
    for name in options.case or CASES:
        with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as folder:
            found = globals()[name](Path(folder), options.runs)
        ours, peer = (statistics.median(found[kernel]) for kernel in KERNELS)
        unit, ratio, count = CASES[name], peer / ours, len(found["lepton"])
        print(
            f"{name}: lepton {ours:.3g} {unit} ({min(found['lepton']):.3g} to {max(found['lepton']):.3g}), "
            f"python3 {peer:.3g} {unit}: {ratio:.1f} times better (median of {count})",
            flush=True,
        )
        cases.append(
            {"case": name, "ours": round(ours, 4), "peer": round(peer, 4), "unit": unit, "ratio": round(ratio, 2)}
            | {"runs": count}
        )
    if options.json:
        print(json.dumps({"name": "kernel", "cases": cases}))


if __name__ == "__main__":
    main()
