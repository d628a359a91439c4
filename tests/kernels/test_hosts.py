"""The four hosts take the kernel `lepton` as they take any other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

from lepton_nb import processes
from lepton_nb.kernels.warm import WarmKernelManager

from .conftest import wait_until

WARM = (
    "import os, psutil, sys\nprint('warm:', 'lepton_nb.kernels.template' in str(psutil.Process().parent().cmdline()))"
)


def notebook(*cells: str, kernel: str = "lepton") -> nbformat.NotebookNode:
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": spec}
    )


def texts(book: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", ()))


def test_nbclient_runs_it_by_its_name_and_by_our_manager():
    book = NotebookClient(notebook(WARM, "x = 1", "print(x + 1)"), kernel_name="lepton").execute()
    assert texts(book).split() == ["warm:", "True", "2"]
    book = notebook(WARM, kernel="no-such-kernel")
    NotebookClient(book, kernel_manager_class=WarmKernelManager).execute()
    assert texts(book).split() == ["warm:", "True"]


def test_papermill_runs_it_from_the_shell(tmp_path):
    nbformat.write(notebook(WARM, "print(sum([number]))"), tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "-k", "lepton", "-p", "number", "5", "in.ipynb", "out.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert texts(nbformat.read(tmp_path / "out.ipynb", 4)).split() == ["warm:", "True", "5"]


class Lab:
    """A running JupyterLab's REST interface."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.headers = url, {"Authorization": f"token {token}"}

    def ask(self, method: str, path: str, body: object = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}api/{path}", data, self.headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, kernel: str, code: str) -> str:
        """The text that a cell writes, by the websocket."""
        import asyncio

        return asyncio.run(self._run(kernel, code))

    async def _run(self, kernel: str, code: str) -> str:
        from jupyter_client.session import Session
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        url = f"ws{self.url.removeprefix('http')}api/kernels/{kernel}/channels"
        socket = await websocket_connect(HTTPRequest(url, headers=self.headers))
        message = Session().msg("execute_request", {"code": code, "silent": False, "allow_stdin": False})
        await socket.write_message(json.dumps({**message, "channel": "shell"}, default=str))
        text = ""
        while found := await socket.read_message():
            told = json.loads(found)
            if told["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if told["msg_type"] == "stream":
                text += told["content"]["text"]
            elif told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                break
        socket.close()
        while await socket.read_message() is not None:
            pass
        return text


def test_jupyterlab_creates_runs_interrupts_restarts_and_ends_it(start_jupyterlab, tmp_path):
    url, token, identity = start_jupyterlab(tmp_path, tmp_path)
    try:
        lab = Lab(url, token)
        assert "lepton" in lab.ask("GET", "kernelspecs")["kernelspecs"]
        kernel = lab.ask("POST", "kernels", {"name": "lepton"})["id"]
        assert lab.run(kernel, WARM).split() == ["warm:", "True"]
        first = int(lab.run(kernel, "x = 1; print(os.getpid())"))
        lab.ask("POST", f"kernels/{kernel}/interrupt", {})
        assert lab.run(kernel, "print(x)").split() == ["1"]
        lab.ask("POST", f"kernels/{kernel}/restart", {})
        assert lab.run(kernel, "print('x' in dir())").split() == ["False"]
        second = int(lab.run(kernel, "import os; print(os.getpid())"))
        assert first != second
        # One that dies is replaced by the server itself.
        os.kill(second, 9)
        third = wait_until(lambda: _pid(lab, kernel, second), 30)
        lab.ask("DELETE", f"kernels/{kernel}")
        assert not psutil.pid_exists(third)
        # And one whose server is killed does not stay.
        last = int(lab.run(lab.ask("POST", "kernels", {"name": "lepton"})["id"], "import os; print(os.getpid())"))
    finally:
        processes.stop(identity, grace=0.0)
    wait_until(lambda: not psutil.pid_exists(last), 10)


def _pid(lab: Lab, kernel: str, before: int) -> int:
    if lab.ask("GET", f"kernels/{kernel}")["execution_state"] in ("restarting", "dead"):
        return 0
    if psutil.pid_exists(before):
        return 0
    return int(lab.run(kernel, "import os; print(os.getpid())"))


def test_voila_shows_a_page_that_it_computed(tmp_path):
    nbformat.write(notebook(WARM, "print(6 * 7, 'is the answer')"), tmp_path / "page.ipynb")
    port = processes.free_port()
    command = [sys.executable, "-m", "voila", "page.ipynb", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    identity = processes.start(command, log=tmp_path / "log", cwd=Path(tmp_path))
    try:
        page = wait_until(lambda: _page(port), 60)
    finally:
        processes.stop(identity, grace=2.0)
    assert re.search(r"warm:\s*True", page)
    assert "42 is the answer" in page


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            return answer.read().decode()
    except OSError:
        return ""
