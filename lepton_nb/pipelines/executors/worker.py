"""The process of one step: `python -m lepton_nb.pipelines.executors.worker STEPFOLDER`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from ...workspace import read_json, write_json

__all__ = ["main"]


def main(folder: Path) -> None:
    """Execute the notebook that `job.json` names and write `result.json`.

    Args:
        folder: the step's folder.
    """
    job = read_json(folder / "job.json")
    # jsonschema compiles this grammar at import, 1.4 s, for a check that no notebook asks for.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # marks a module as not importable
    from ..engine import execute

    ending = execute(
        Path(job["notebook"]),
        Path(job["executed"]),
        job["parameters"],
        cell_file=folder / "cell",
        kernel_file=folder / "kernel",
        sockets=Path(job["sockets"]),
    )
    write_json(folder / "result.json", dataclasses.asdict(ending))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
