"""What a study costs: ours, each trial in a process of its own, against Optuna's loop around stock Lightning.

python tests/benchmarks/bench_tune.py [--trials 40] [--epochs 10] [--runs 5] [--json]

Both sides search the same space for the same network on the same rows, with the same sampler (TPE), pruner (median),
seeds and number of epochs, on the same two processors, in turn, each in a fresh process (`tune_sides.py`). A run has a
seed, of the sampler and of the trainings. The score of a trial is its lowest validation loss. The peer runs one
trial after the other in its own process, without a logger, checkpoints, a bar or a summary, with as many threads as
were faster in a short run; ours trains two at a time, and records runs, checkpoints and the registry as always.
Its template is warm. `cpu_seconds` is what both took of the processors, which other work on the machine does not
change. `best_score` has the best validation loss of each side; `memory`: MiB that the process which lives through all
trials has grown by.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def side(name: str, task: Any, folder: Path) -> dict[str, Any]:
    """One side in a process of its own."""
    answer, log = folder / "answer.json", folder / "log"
    paths = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
    with log.open("wb") as stream:
        done = subprocess.run(
            [sys.executable, str(HERE / "tune_sides.py"), name, json.dumps(asdict(task)), str(answer)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": paths, "LEPTON_HOME": task.home},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        sys.exit(f"{name} ended with {done.returncode}:\n{log.read_text()[-3000:]}")
    return json.loads(answer.read_text())


def threads_of(task: Any, folder: Path, cores: int) -> int:
    """The number of threads with which the peer is faster."""
    short = replace(task, trials=2, epochs=min(3, task.epochs))
    taken = {count: side("peer", replace(short, threads=count), folder)["seconds"] for count in {1, cores}}
    print(f"  the peer in two short trials, by threads: {taken}", flush=True)
    return min(taken, key=lambda count: taken[count])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5, help="pairs, each with a seed of its own")
    parser.add_argument("--threads", type=int, default=0, help="of the peer; 0: what is faster in a short run")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    from tune_sides import Task, table

    from lepton_nb import data
    from lepton_nb.workspace import Workspace

    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        home = folder / ".lepton"
        data.load(Workspace(home), table(), name="bench")
        task = Task(str(home), options.trials, options.epochs, 0, 128)
        task = replace(task, threads=options.threads or threads_of(task, folder, len(cores)))
        for turn in range(options.runs):
            for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
                one = side(which, replace(task, seed=turn), folder)
                found[which].append(one)
                print(f"  {which}, seed {turn}: {told(one)} (load {os.getloadavg()[0]:.1f})", flush=True)
            time.sleep(1)
    cases = [entry("tune_vs_optuna", found, "seconds", "s", faster=True)]
    cases.append(entry("cpu_seconds", found, "cpu", "s", faster=True))
    cases.append(entry("best_score", found, "score", "val_loss"))
    grown = {name: [{"mib": one["late_mib"] - one["early_mib"]} for one in ones] for name, ones in found.items()}
    cases.append({**entry("memory", grown, "mib", "MiB"), "ratio": None})
    for one in cases:
        print(
            f"{one['case']}: ours {one['ours']} {one['unit']}, peer {one['peer']} {one['unit']} (spread "
            f"{' and '.join(map(str, one['spread']))}), ratio {one['ratio']}"
        )
    if options.json:
        print(json.dumps({"name": "tune", "cases": cases}))


def told(one: dict[str, Any]) -> str:
    """A side in a line."""
    memory = f"{one['early_mib']:.0f} -> {one['late_mib']:.0f} MiB"
    took = f"{one['seconds']:.1f} s ({one['cpu']:.1f} s of CPU)"
    return f"{took}, best {one['score']:.4f}, {one['pruned']} pruned, in {one['processes']}, {memory}"


def entry(case: str, found: Any, key: str, unit: str, *, faster: bool = False) -> dict[str, Any]:
    """Means of both sides and their spread; `ratio`, the median, is how many times faster ours is, or ours / peer."""
    both = [[one[key] for one in found[name]] for name in ("ours", "peer")]
    pairs = [theirs / mine if faster else mine / theirs for mine, theirs in zip(*both, strict=True) if mine and theirs]
    ratio = round(statistics.median(pairs), 3) if pairs else None
    mine, theirs = (round(statistics.fmean(values), 4) for values in both)
    spread = [round(statistics.stdev(values), 4) if len(values) > 1 else 0.0 for values in both]
    told = {"case": case, "ours": mine, "peer": theirs, "unit": unit, "ratio": ratio}
    return {**told, "runs": len(both[0]), "spread": spread}


if __name__ == "__main__":
    main()
