"""The notebook while it is executed: what its metadata says, and when it is saved."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

from papermill.engines import NotebookExecutionManager
from papermill.log import logger

from .ending import Ending, Status
from .saving import is_local, picture, prepare, save
from .watch import Watch

__all__ = ["Book", "runs"]

# What is on disk is as old as the last save's beginning: a pause and two saves must fit into two seconds.
_SAVE_EVERY_S, _BEHIND_S = 1.0, 1.9
# A notebook so large that they do not fit is saved almost without a pause, and one that is sent elsewhere less often.
_REST, _REST_AFAR = 0.25, 3.0
_SKIP = "skip-execution"


class Book(NotebookExecutionManager):  # type: ignore[misc] # Papermill has no types
    """The notebook while it is executed.

    Papermill's own keeps statuses and times in the metadata of notebook and cells; this one keeps them true, and saves
    by a clock instead of at every cell.

    Args:
        nb: the notebook.
        output_path: where it goes, or None.
        autosave_cell_every: seconds between saves to a place that is no local file; 0 saves at the end only.
        options: Papermill's.
    """

    def __init__(self, nb: Any, output_path: str | None, autosave_cell_every: float, **options: Any) -> None:
        super().__init__(nb, output_path, autosave_cell_every=autosave_cell_every, **options)
        self.ending: Ending | None = None
        self.running: int | None = None
        self.watch: Watch | None = None
        self._changed = False
        # Where Papermill itself writes in the end, also when it asks for no saves before.
        if (final := nb.metadata.papermill.get("output_path")) and is_local(final):
            prepare(final)
        self._here = bool(output_path and is_local(output_path))
        if self._here:
            self.autosave_cell_every = min(autosave_cell_every, _SAVE_EVERY_S)

    def save(self, **_: Any) -> None:
        """Note that there is something to save."""
        self._changed = True

    def autosave_cell(self, **_: Any) -> None:
        """Note that there is something to save: a message has come."""
        self._changed = True

    def write(self) -> None:
        """Save now."""
        if self.output_path:
            self._changed = False
            save(self.nb, self.output_path)

    async def save_regularly(self) -> None:
        """Save what has changed, again and again, also while a cell runs.

        A local file is two seconds behind at most, as long as a save takes less than 0.9 s (about 50 MB). It is done
        beside the conversation with the kernel, which goes on meanwhile.
        """
        pause = self.autosave_cell_every
        while self.output_path and pause:
            await asyncio.sleep(pause)
            if self._changed:
                self._changed = False
                begun = time.monotonic()
                try:
                    # The loop's end waits for the thread: no later save is overtaken.
                    await asyncio.to_thread(save, picture(self.nb), self.output_path)
                except Exception as cause:  # noqa: BLE001 - the last save tells; until then work is not thrown away
                    logger.warning("cannot save %s now: %s", self.output_path, cause)
                pause = self._pause(time.monotonic() - begun)

    def _pause(self, took: float) -> float:
        every: float = self.autosave_cell_every
        return max(min(every, _BEHIND_S - 2 * took), _REST * took) if self._here else max(every, _REST_AFAR * took)

    def notebook_start(self, **_: Any) -> None:
        """Forget what an earlier execution left, and save."""
        super().notebook_start()
        self.nb.metadata["lepton"] = {"status": "running"}
        self.write()

    def cell_start(self, cell: Any, cell_index: int, **_: Any) -> None:
        """Note which cell runs."""
        if runs(cell):
            self.running = sum(map(runs, self.nb.cells[: cell_index + 1]))
            if self.watch:
                self.watch.cell(self.running)
        super().cell_start(cell, cell_index)

    def cell_complete(self, cell: Any, cell_index: int, **_: Any) -> None:
        """Note that a cell is over, and how."""
        status = cell.metadata.papermill["status"]
        super().cell_complete(cell, cell_index)
        if status != self.RUNNING:
            cell.metadata.papermill["status"] = status
        elif cell.cell_type == "code" and not runs(cell) and cell.source.strip():
            cell.metadata.papermill["status"] = "skipped"

    def end(self, status: Status, error: str, cell: Any = None) -> None:
        """Note why the execution goes no further.

        Args:
            status: how it ended.
            error: one line.
            cell: the cell at fault when it was running.
        """
        self.ending = Ending(status, error, self.running)
        self.nb.metadata.papermill["exception"] = True
        if cell is not None:
            cell.metadata.papermill.update(status=status, exception=True)

    def left_behind(self, cell_index: int) -> int:
        """How many cells would still have been executed."""
        return sum(map(runs, self.nb.cells[cell_index + 1 :]))

    def close(self) -> Ending:
        """Write down how it ended; cells that were never reached stay `pending`."""
        ending = self.ending or Ending("completed")
        self.nb.metadata["lepton"] = dataclasses.asdict(ending)
        self.end_time = self.now()
        times = self.nb.metadata.papermill
        times["end_time"] = self.end_time.isoformat()
        times["duration"] = (self.end_time - self.start_time).total_seconds()
        if ending.status == "completed":
            self.complete_pbar()
        self.cleanup_pbar()
        return ending


def runs(cell: Any) -> bool:
    """Whether a cell is given to the kernel."""
    return bool(cell.cell_type == "code" and cell.source.strip() and _SKIP not in cell.metadata.get("tags", []))
