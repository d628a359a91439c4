"""The conversation with a kernel, cell by cell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.exceptions import PapermillExecutionError

from ...workspace import SecretStream, mask, mask_all, may_hold_secrets
from .book import Book, runs
from .ending import one_line

__all__ = ["Client"]

# What a kernel said before it died may still be on its way.
_LAST_WORDS_S = 0.3
_LOOK_S = 0.5
# A cell's last outputs may take long to be read after the kernel has said that it is done.
_OUTPUTS_S = 60


class Client(PapermillNotebookClient):  # type: ignore[misc] # nbclient has no types
    """Papermill's client, with true endings.

    Args:
        book: the notebook.
        options: nbclient's.
    """

    def __init__(self, book: Book, **options: Any) -> None:
        super().__init__(book, iopub_timeout=_OUTPUTS_S, **options)
        self.book = book
        self._dead = asyncio.Event()
        self._left = False
        self._closing = False
        self._streams: dict[str, SecretStream] = {}

    def execute(self, **_: Any) -> Any:
        """Execute the notebook.

        Raises:
            DeadKernelError: the kernel died.
            CellTimeoutError: a cell took too long.
            PapermillExecutionError: the notebook ended itself before its last cell.
        """
        _finish(self._execute(), self._interrupt)
        return self.nb

    async def _execute(self) -> None:
        self.reset_execution_trackers()
        saving = asyncio.create_task(self.book.save_regularly())
        try:
            async with self._kernel():
                self.log.info("Executing notebook with kernel: %s", self.kernel_name)
                for index, cell in enumerate(self.nb.cells):
                    await self._execute_one(cell, index)
                    if self.book.ending:
                        break
                await self._describe()
        except asyncio.CancelledError:
            if self.book.ending is None:
                self._interrupted(None)
            raise
        finally:
            saving.cancel()

    @contextlib.asynccontextmanager
    async def _kernel(self) -> AsyncIterator[None]:
        """A kernel that is ready, and that is over afterwards."""
        self.km = self.create_kernel_manager()
        aside = _Aside()
        try:
            await self.async_start_new_kernel(**aside.streams)
        except BaseException:
            if self.km.has_kernel:
                await self.km.shutdown_kernel(now=True)
            await self.km.cleanup_resources()
            raise
        watching = asyncio.create_task(self._watch())
        try:
            try:
                await self.async_start_new_kernel_client()
            except RuntimeError as cause:
                raise self._did_not_start(cause) from cause
            yield
        finally:
            self._closing = True
            watching.cancel()
            if self.book.watch:
                self.book.watch.over()
            if self.km is not None:
                await self._async_cleanup_kernel()
            aside.close()

    async def _watch(self) -> None:
        """Set `_dead` as soon as the kernel's process has ended."""
        pid = getattr(self.km.provisioner, "pid", None)
        if pid is not None and self.book.watch:
            self.book.watch.started(pid)
        if pid is None or not hasattr(os, "pidfd_open"):
            while await self.km.is_alive():  # noqa: ASYNC110 - nothing announces the end of a process elsewhere
                await asyncio.sleep(_LOOK_S)
            self._dead.set()
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._dead.set()
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._dead.set)
        try:
            await self._dead.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def _did_not_start(self, cause: RuntimeError) -> Exception:
        if "died" in str(cause):
            error = "the kernel died before it was ready"
            self.book.end("kernel_died", one_line("DeadKernelError", error))
            return DeadKernelError(error)
        error = f"the kernel was not ready within {self.startup_timeout:g} s"
        self.book.end("timeout", one_line("TimeoutError", error))
        return CellTimeoutError(error)

    async def _execute_one(self, cell: Any, index: int) -> None:
        if self._dead.is_set() and runs(cell):
            raise self._died(None)
        self._streams.clear()
        self.book.cell_start(cell, index)
        try:
            await self.async_execute_cell(cell, index)
        except CellExecutionError as error:
            self._failed(cell, index, error)
        except DeadKernelError:
            if not self._dead.is_set():
                # nbclient takes every cancellation for its own.
                self._interrupted(cell)
                raise asyncio.CancelledError from None
            raise self._died(cell) from None
        except CellTimeoutError as cause:
            text = f"cell [{self.book.running}] took longer than its timeout of {self._get_timeout(cell) or 0:g} s"
            self.book.end("timeout", one_line("CellTimeoutError", text), cell)
            raise CellTimeoutError(text) from cause
        finally:
            self.book.cell_complete(cell, index)
        if self._left:
            self._ended_itself(cell, index)

    def _failed(self, cell: Any, index: int, error: CellExecutionError) -> None:
        """A cell raised; that is an end as good as any when it was the last one and left with status 0."""
        if error.ename == "SystemExit" and error.evalue in ("", "0", "None"):
            self._ended_itself(cell, index)
        else:
            self.book.end("failed", one_line(error.ename, error.evalue), cell)

    def _ended_itself(self, cell: Any, index: int) -> None:
        if not (left := self.book.left_behind(index)):
            return
        more = "1 cell" if left == 1 else f"{left} cells"
        error = f"the notebook ended itself in cell [{self.book.running}] with {more} left to execute"
        self.book.end("incomplete", one_line("SystemExit", error), cell)
        raise PapermillExecutionError(
            index, cell.execution_count, cell.source, "SystemExit", error, [f"SystemExit: {error}"]
        )

    def _died(self, cell: Any) -> DeadKernelError:
        place = "in" if cell is not None else "after"
        number = "before the first cell" if self.book.running is None else f"{place} cell [{self.book.running}]"
        error = f"the kernel died (killed, crashed, or out of memory) {number}"
        self.book.end("kernel_died", one_line("DeadKernelError", error), cell)
        return DeadKernelError(error)

    def _interrupt(self, execution: asyncio.Task[None]) -> None:
        # The end of the kernel takes seconds at most, and is not left half done.
        if not self._closing:
            execution.cancel()

    def _interrupted(self, cell: Any) -> None:
        self.book.end("failed", one_line("KeyboardInterrupt", "the execution was interrupted"), cell)

    async def _describe(self) -> None:
        """What Papermill notes of the kernel and its widgets at the end."""
        if not self._dead.is_set() and not self._left:
            with contextlib.suppress(DeadKernelError):
                reply = await self.async_wait_for_reply(self.kc.kernel_info())
                self.nb.metadata["language_info"] = reply["content"]["language_info"]
        self.set_widgets_metadata()

    async def _async_poll_kernel_alive(self) -> None:
        await self._dead.wait()
        await asyncio.sleep(_LAST_WORDS_S)
        self.task_poll_for_reply.cancel()

    async def _check_raise_for_error(self, cell: Any, cell_index: int, exec_reply: Any) -> None:
        if exec_reply is not None:
            content = exec_reply["content"] = mask_all(exec_reply["content"])
            # `exit()` answers as if nothing were, and the kernel ends a moment later.
            self._left = any(part.get("source") == "ask_exit" for part in content.get("payload", ()))
        await super()._check_raise_for_error(cell, cell_index, exec_reply)

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Take a message of the kernel into the cell, without secrets."""
        content = msg["content"]
        if msg["msg_type"] == "stream":
            text = self._streams.setdefault(content["name"], SecretStream()).feed(content["text"])
            if not text and content["text"]:
                return None
            msg["content"] = {**content, "text": text}
        elif msg["msg_type"] == "status":
            for name, stream in self._streams.items():
                if content["execution_state"] == "idle" and (rest := stream.rest()):
                    header = {**msg["header"], "msg_type": "stream"}
                    said = {**msg, "msg_type": "stream", "header": header, "content": {"name": name, "text": rest}}
                    super().process_message(said, cell, cell_index)
        else:
            msg["content"] = mask_all(content)
        return super().process_message(msg, cell, cell_index)


class _Aside:
    """What a kernel writes past its messages: C code repeats itself there, and a crash leaves its last words."""

    def __init__(self) -> None:
        self.streams: dict[str, Any] = {}
        if may_hold_secrets():
            # A file without a name, which ends with us, however we end.
            said = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the kernel is over
            self.streams = {"stdout": said, "stderr": said}

    def close(self) -> None:
        """Pass it on without secrets."""
        if said := self.streams.get("stdout"):
            said.seek(0)
            sys.stderr.write(mask(said.read().decode(errors="replace")))
            said.close()


def _finish(work: Coroutine[Any, Any, None], interrupt: Callable[[asyncio.Task[None]], None]) -> None:
    """Run to the end, in a loop of its own; that is a thread's when a loop runs already, as in a notebook.

    Args:
        work: what is run.
        interrupt: called in that thread's loop when whoever waits is interrupted; the interrupt is raised when the
            work is over.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    failures: list[BaseException] = []
    tasks: list[asyncio.Task[None]] = []
    over = threading.Event()

    async def begin() -> None:
        tasks.append(task := asyncio.create_task(work))
        if failures:
            interrupt(task)
        await task

    def run() -> None:
        try:
            asyncio.run(begin())
        except BaseException as cause:  # noqa: BLE001 - it is raised again where it was waited for
            failures.append(cause)
        finally:
            over.set()

    thread = threading.Thread(target=run, name="lepton-engine")
    thread.start()
    # An interrupted `join` takes a thread that runs for one that has ended.
    while not over.is_set():
        try:
            over.wait()
        except BaseException as cause:  # noqa: BLE001 - it is raised again when the work is over
            failures.append(cause)
            for task in tasks:
                # A loop that is closed has nothing left to interrupt.
                with contextlib.suppress(RuntimeError):
                    task.get_loop().call_soon_threadsafe(interrupt, task)
    thread.join()
    if failures:
        raise failures[0]
