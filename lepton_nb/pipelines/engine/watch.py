"""What an execution leaves for whoever survives it, or asked for it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .ending import Ending

__all__ = ["Watch", "resident"]

_RESIDENT = re.compile(r"Vm(HWM|RSS):\s*(\d+) kB")


@dataclass
class Watch:
    """What somebody who survives this process, or asked for the execution, wants to know of it.

    Args:
        cell_file: keeps the number of the running cell.
        kernel_file: keeps the process id of the kernel; from the first cell on, what the kernel and this process held
            then; and in the end, the most that each ever held, in KiB.
        sockets: an empty private folder for the kernel's sockets.
        ending: how it ended; None until then.
    """

    cell_file: Path
    kernel_file: Path
    sockets: Path
    ending: Ending | None = None
    _told: list[int] = field(default_factory=list)

    def started(self, kernel: int) -> None:
        """The kernel has a process."""
        self._tell(kernel)

    def cell(self, number: int) -> None:
        """A cell begins; at the first one, all that is held is not yet the notebook's."""
        if len(self._told) == 1:
            self._tell(resident(self._told[0])[0], resident(os.getpid())[0])
        self.cell_file.write_text(str(number))

    def over(self) -> None:
        """The kernel is about to end."""
        if len(self._told) == 3 and (most := resident(self._told[0])[1]):
            self._tell(most, resident(os.getpid())[1])

    def _tell(self, *numbers: int) -> None:
        self._told += numbers
        self.kernel_file.write_text(" ".join(map(str, self._told)))


def resident(pid: int) -> tuple[int, int]:
    """What a process holds now, and the most that it ever held, in KiB; 0 of one that is gone.

    Where the system does not keep the most, it is what there is now.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text()
        found = {name: int(amount) for name, amount in _RESIDENT.findall(text)}
        now = found.get("RSS", 0)
        return now, found.get("HWM", now)
    except FileNotFoundError:
        pass
    except ProcessLookupError:
        return 0, 0
    try:
        now = psutil.Process(pid).memory_info().rss // 1024
    except psutil.Error:
        return 0, 0
    return now, now
