"""`python -m lepton_nb.evaluation.footprint FOLDER`: peak memory of a process that only runs the model there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ..runtime.model import Model

__all__ = ["peak_mb"]


def peak_mb() -> float:
    """Peak resident MiB of this process since its program started.

    `getrusage` will not do: Linux counts what the process that forked us held before the program was replaced.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _main(folder: Path) -> None:
    Model.load(folder).warm_up()
    sys.stdout.write(f"{peak_mb():.1f}")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
