"""Files that are answered on a Ray cluster: `python -m lepton_nb.serving.scoring_on_ray PLAN`.

A process of its own connects to the cluster, since Ray keeps a process for good. The nodes see the files and the
Bento under the same paths as this machine. Each file that is done is one line on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import LeptonError, ServingError
from ..records import Bento
from .answering import score_file

__all__ = ["main", "spread"]


def spread(bento: Bento, files: Sequence[tuple[Path, Path]], tell: Callable[[int, Path], None]) -> None:
    """Answer files on the cluster of RAY_ADDRESS, or on one of this machine that ends with it.

    Args:
        bento: what answers.
        files: which file is answered into which.
        tell: hears of files that are answered.

    Raises:
        ServingError: the cluster cannot be used, or a file could not be answered.
    """
    plan = {
        "tag": bento.tag,
        "model": str(bento.model.resolve()),
        "files": [(str(source.resolve()), str(target.resolve())) for source, target in files],
    }
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    # Sockets of Ray lie below it, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="lepton-s", dir="/tmp", ignore_cleanup_errors=True) as place:
        file = Path(place) / "plan.json"
        file.write_text(json.dumps({**plan, "folder": place}))
        log = Path(place) / "log"
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                [sys.executable, "-m", __name__, str(file)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": paths},
            ) as process,
        ):
            try:
                fault = _listen(process, tell)
            except BaseException:
                process.terminate()
                raise
        if process.returncode and not fault:
            lines = log.read_text(errors="replace").strip().splitlines()
            fault = lines[-1] if lines else f"exit status {process.returncode}"
    if fault:
        raise ServingError("the files were not answered on Ray", got=fault)


def _listen(process: subprocess.Popen[str], tell: Callable[[int, Path], None]) -> str:
    """Pass on what the driver tells; the fault that it told, or an empty text."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    fault = ""
    for line in process.stdout:
        told = json.loads(line)
        if "fault" in told:
            fault = str(told["fault"])
        else:
            tell(int(told["rows"]), Path(told["file"]))
    return fault


def _say(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main(plan: Path) -> int:
    """Drive the cluster; the exit status."""
    from ..processes.cluster import connected

    value: dict[str, Any] = json.loads(plan.read_text())
    try:
        with connected(os.environ.get("RAY_ADDRESS"), Path(value["folder"])):
            _work(value)
    except LeptonError as cause:
        _say(fault=str(cause))
        return 1
    return 0


def _work(value: dict[str, Any]) -> None:
    import ray

    @ray.remote(num_cpus=1)
    def answer(source: str, target: str) -> tuple[int, str]:
        return score_file(value["tag"], Path(value["model"]), Path(source), Path(target)), source

    waiting = [answer.remote(source, target) for source, target in value["files"]]
    while waiting:
        (done, *_), waiting = ray.wait(waiting, num_returns=1)
        try:
            rows, source = ray.get(done)
        except ray.exceptions.RayTaskError as cause:
            raise ServingError(
                "a file could not be answered", got=str(cause.cause or cause).splitlines()[-1]
            ) from cause
        _say(rows=rows, file=source)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
