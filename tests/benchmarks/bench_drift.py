"""What drift costs: a comparison of two large files, and a view over a hundred million logged predictions.

python tests/benchmarks/bench_drift.py [--case evidently_1m] [--runs 1] [--rows 1000000] [--logged 100000000] [--json]

evidently_1m: seconds of `lepton data drift CURRENT REFERENCE` on two Parquet files of 1,000,000 rows and 20 columns (16
numbers of four shapes, 4 categories), against Evidently's drift report with PSI on the same files, each in a process of
its own from its start to its end, with the byte code that an installation has; the sides alternate. Evidently runs in
`.lepton/bench/drift`, which is made when it is not there (pandas < 3). Per column our PSI, and our Jensen-Shannon
distance in its unit, must be within 0.01 of its own. `memory`: the largest resident size of our process, in MB; there
is no peer.
window_view: milliseconds of the health, the traffic and the drift over time of a deployment that has answered
100,000,000 predictions in a year, the median of several; there is no peer. The log is written by the served app's own
bulk route with a network of 10 columns, counted, joined and sealed as it is in production; what is sealed is removed as
`--keep` would do, else it would take some ten GB.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import lepton_nb

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".lepton" / "bench" / "drift"
PEER = ("evidently==0.7.23", "pandas<3", "pyarrow")
_WITHIN = 0.01
_REQUEST_ROWS = 20_000
_YEAR_S = 365 * 86400


def make_table(path: Path, rows: int, seed: int, *, moved: bool) -> None:
    """16 numbers and 4 categories; three numbers and one category have moved a little."""
    rng = np.random.default_rng(seed)
    laws: list[Callable[[int], np.ndarray]] = [
        lambda size: rng.normal(size=size),
        lambda size: rng.gamma(2.0, size=size),
        lambda size: rng.uniform(-1, 1, size),
        lambda size: rng.lognormal(0, 0.5, size),
    ]
    columns: dict[str, Any] = {}
    for place in range(16):
        columns[f"n{place}"] = laws[place % 4](rows) + (0.1 if moved and place in (0, 5, 10) else 0.0)
    for place, size in enumerate((3, 8, 20, 50)):
        weights = np.ones(size)
        weights[0] += 0.2 * (moved and place == 2)
        codes = rng.choice(size, rows, p=weights / weights.sum()).astype(np.int32)
        names = pa.array([f"v{number}" for number in range(size)])
        columns[f"c{place}"] = pa.DictionaryArray.from_arrays(codes, names).cast(pa.string())
    pq.write_table(pa.table(columns), path)


def environment() -> Path:
    """The Python of the peer's environment, which is made when it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists() or subprocess.run([python, "-c", "import evidently"], capture_output=True).returncode:
        print(f"making {ENVIRONMENT}", flush=True)
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEER], check=True)
    return python


def timed(command: list[Any]) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began, done.stdout


def evidently_1m(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Two files, end to end."""
    files = [folder / "current.parquet", folder / "reference.parquet"]
    for seed, path in enumerate(files):
        make_table(path, options.rows, seed, moved=path.stem == "current")
    python, script = environment(), HERE / "drift_peer.py"
    # Where Python is told to write none, a checkout would be compiled in each of our processes.
    compileall.compile_dir(Path(lepton_nb.__file__).parent, quiet=1)
    lepton = [Path(sys.executable).with_name("lepton"), "data", "drift", *files, "--json"]
    mine, peer, told = [], [], {}
    for turn in range(options.runs):
        for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
            if which == "ours":
                seconds, text = timed(lepton)
                told["ours"] = {one["name"]: one for one in json.loads(text)["features"]}
                mine.append(seconds)
            else:
                seconds, text = timed([python, script, "psi", *files])
                told["psi"] = json.loads(text)
                peer.append(seconds)
            print(f"  {which}: {seconds:.2f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = memory_of(lepton)
    told["jensenshannon"] = json.loads(timed([python, script, "jensenshannon", *files])[1])
    check(told)
    ratios = [other / own for own, other in zip(mine, peer, strict=True)]
    ours, theirs, ratio = (statistics.median(values) for values in (mine, peer, ratios))
    print(f"evidently_1m: ours {ours:.2f} s, peer {theirs:.1f} s: {ratio:.1f} times faster; wanted ratio >= 60")
    print(f"memory: ours {memory:.0f} MB; wanted <= 1000 (the peer's side: {largest / 1024:.0f} MB)", flush=True)
    shape = {"unit": "s", "runs": len(mine)}
    return [
        {"case": "evidently_1m", "ours": round(ours, 3), "peer": round(theirs, 3), **shape, "ratio": round(ratio, 2)},
        {"case": "memory", "ours": round(memory, 1), "peer": None, "unit": "MB", "ratio": None, "runs": 1},
    ]


def memory_of(command: list[Any]) -> float:
    """The largest resident size of a process, in MB."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    return float(timed([sys.executable, "-c", script, *command])[1])


def check(told: dict[str, Any]) -> None:
    """Both say the same of every column."""
    worst: dict[str, tuple[float, str]] = {}
    for method, own in (("psi", "psi"), ("jensenshannon", "js")):
        # Theirs is in nats, ours in bits.
        unit = np.sqrt(np.log(2)) if own == "js" else 1.0
        for name, value in told[method].items():
            apart = abs(told["ours"][name][own] * unit - value)
            worst[method] = max(worst.get(method, (0.0, "")), (apart, name))
    text = ", ".join(f"{method} {apart:.2g} ({name})" for method, (apart, name) in worst.items())
    print(f"farthest apart of {len(told['psi'])} columns: {text}; wanted <= {_WITHIN}", flush=True)
    if any(apart > _WITHIN for apart, _ in worst.values()):
        sys.exit("the two sides say something else")


def window_view(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A year of predictions, looked at."""
    from drift_log import answer_for_a_year, deployed

    from lepton_nb import monitoring

    ws, name, engine = deployed(folder / ".lepton")
    answer_for_a_year(ws, name, engine, options.logged, _REQUEST_ROWS, _YEAR_S)
    views: dict[str, Callable[[], Any]] = {
        "health": lambda: monitoring.health(ws, name),
        "health of 24 hours": lambda: monitoring.health(ws, name, since=86400),
        "traffic": lambda: monitoring.traffic(ws, name),
        "drift over time": lambda: monitoring.drift_over_time(ws, name, since=30 * 86400, step_seconds=86400),
        "histograms": lambda: monitoring.histograms(ws, name),
    }
    found = {}
    for view, look in views.items():
        times = []
        for _ in range(7):
            began = time.perf_counter()
            look()
            times.append((time.perf_counter() - began) * 1e3)
        found[view] = statistics.median(times)
        print(f"  {view}: {found[view]:.1f} ms (first {times[0]:.1f})", flush=True)
    rows = monitoring.health(ws, name).traffic.predictions
    if rows != options.logged:
        sys.exit(f"{rows} predictions were counted of {options.logged}")
    size = sum(path.stat().st_size for path in (ws.deployment(name) / "windows").iterdir()) / 1e6
    print(
        f"window_view: {max(found.values()):.1f} ms over {rows} predictions; wanted <= 200 ({size:.1f} MB of windows)"
    )
    worst = round(max(found.values()), 2)
    return [{"case": "window_view", "ours": worst, "peer": None, "unit": "ms", "ratio": None, "runs": 7}]


CASES: dict[str, Callable[[Path, argparse.Namespace], list[dict[str, Any]]]] = {
    "evidently_1m": evidently_1m,
    "window_view": window_view,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=int, default=1, help="pairs of evidently_1m")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each file")
    parser.add_argument("--logged", type=int, default=100_000_000, help="predictions of window_view")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as folder:
        os.environ["LEPTON_HOME"] = str(Path(folder) / ".lepton")
        for name in options.case:
            print(name, flush=True)
            cases += CASES[name](Path(folder), options)
    if options.json:
        print(json.dumps({"name": "drift", "cases": cases}))


if __name__ == "__main__":
    main()
