"""What running notebooks as a pipeline costs, against a loop over `papermill` and against `dvc repro`.

python tests/benchmarks/bench_pipeline.py [--case papermill_loop dvc_noop trivial_step] [--runs 5] [--json]

papermill_loop: 20 notebooks that import torch and pytorch_lightning, two at a time, against `papermill` in a loop.
dvc_noop: 100 steps of which nothing changed, whole processes, against `dvc repro` in an environment of its own.
trivial_step: 200 notebooks of one line, two at a time, each on a kernel of its own: seconds per step.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DVC = ROOT / ".lepton" / "bench" / "dvc"
IMPORTS = "import torch\nimport pytorch_lightning\nx = torch.ones(3)"


def notebook(path: Path, *sources: str) -> None:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": ["parameters"]} if source.startswith("n = ") else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells})
    )


def seconds(command: list[str | Path], folder: Path) -> float:
    environment = {**os.environ, "LEPTON_HOME": str(folder / ".lepton")}
    # Both sides are as pip installs them: with their bytecode.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(
            f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return taken


def lepton(*more: str) -> list[str | Path]:
    return [BIN / "lepton", "pipeline", "run", "pipeline.yml", *more]


def steps(folder: Path, lines: list[str]) -> None:
    (folder / ".lepton").mkdir()
    (folder / "pipeline.yml").write_text("steps:\n" + "".join(f"  {line}\n" for line in lines))


def papermill_loop(folder: Path, runs: int) -> dict[str, object]:
    notebook(folder / "step.ipynb", "n = 0", IMPORTS)
    steps(folder, [f"s{n}: {{notebook: step.ipynb, parameters: {{n: {n}}}}}" for n in range(20)])
    ours, peers = [], []
    for turn in range(runs + 1):
        ours.append(seconds(lepton("--force", "--jobs", "2"), folder))
        if turn:
            loop = [
                seconds([BIN / "papermill", "step.ipynb", f"o{n}.ipynb", "-p", "n", str(n)], folder) for n in range(20)
            ]
            peers.append(sum(loop))
    # The first one of ours starts the template.
    return case("papermill_loop", ours[1:], peers, "s")


def dvc_noop(folder: Path, runs: int) -> dict[str, object]:
    count, lines = 100, []
    for n in range(count):
        (folder / f"in{n}.txt").write_text(f"{n}\n")
        notebook(folder / f"step{n}.ipynb", "n = 0", f"import shutil\n_ = shutil.copy('in{n}.txt', 'out{n}.txt')")
        lines.append(
            f"s{n}: {{notebook: step{n}.ipynb, parameters: {{n: {n}}}, inputs: [in{n}.txt], writes: [out{n}.txt]}}"
        )
    steps(folder, lines)
    peer = folder / "peer"
    peer.mkdir()
    for n in range(count):
        shutil.copy(folder / f"in{n}.txt", peer)
    stages = [
        f"  s{n}:\n    cmd: cp in{n}.txt out{n}.txt\n    deps: [in{n}.txt]\n    outs: [out{n}.txt]\n"
        for n in range(count)
    ]
    (peer / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    dvc = dvc_command()
    seconds([dvc, "init", "--no-scm", "-q"], peer)
    seconds([dvc, "config", "core.analytics", "false"], peer)
    seconds([dvc, "repro", "-q"], peer)
    seconds(lepton(), folder)
    ours, peers = [], []
    for turn in range(runs + 1):
        pair = [("ours", lepton(), folder), ("peer", [dvc, "repro", "-q"], peer)]
        for who, command, place in pair if turn % 2 else reversed(pair):
            taken = seconds(command, place)
            if turn:
                (ours if who == "ours" else peers).append(taken)
    return case("dvc_noop", ours, peers, "s")


def dvc_command() -> Path:
    """DVC in an environment of its own, made when it is not there."""
    dvc = DVC / "bin" / "dvc"
    if not dvc.exists():
        subprocess.run([sys.executable, "-m", "venv", DVC], check=True)
        subprocess.run([DVC / "bin" / "pip", "install", "-qq", "dvc"], check=True)
    return dvc


def trivial_step(folder: Path, runs: int) -> dict[str, object]:
    count = 200
    notebook(folder / "step.ipynb", "n = 0", "n + 1")
    steps(folder, [f"s{n}: {{notebook: step.ipynb, parameters: {{n: {n}}}}}" for n in range(count)])
    # The template does its imports once; every later kernel is forked from it.
    seconds(lepton("--only", "s0"), folder)
    ours = [seconds(lepton("--force", "--jobs", "2"), folder) / count for _ in range(runs)]
    return case("trivial_step", ours, [], "s per step")


def case(name: str, ours: list[float], peers: list[float], unit: str) -> dict[str, object]:
    mine, peer = statistics.median(ours), statistics.median(peers) if peers else None
    ratio = None if peer is None else round(peer / mine, 2)
    spread = f"{min(ours):.2f} to {max(ours):.2f}"
    against = "" if peer is None else f", peer {peer:.2f} ({min(peers):.2f} to {max(peers):.2f}), {ratio} times faster"
    print(f"{name}: {mine:.2f} {unit} (median of {len(ours)}, {spread}){against}", flush=True)
    rounded = None if peer is None else round(peer, 3)
    return {"case": name, "ours": round(mine, 3), "peer": rounded, "unit": unit, "ratio": ratio, "runs": len(ours)}


CASES = {"papermill_loop": papermill_loop, "dvc_noop": dvc_noop, "trivial_step": trivial_step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=int, help="measurements per case (default: 1, 5 and 1)")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cases = []
    for name in options.case:
        with tempfile.TemporaryDirectory(prefix="lepton-bench-") as folder:
            cases.append(CASES[name](Path(folder), options.runs or (5 if name == "dvc_noop" else 1)))
    if options.json:
        print(json.dumps({"name": "pipeline", "cases": cases}))


if __name__ == "__main__":
    main()
