"""What `%load_ext lepton_nb` costs over bare IPython, as whole processes started in turn.

python tests/benchmarks/bench_load_ext.py [--runs 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

BARE = "from IPython.core.interactiveshell import InteractiveShell; ip = InteractiveShell()"
LOADED = f"{BARE}; ip.run_line_magic('load_ext', 'lepton_nb')"
FIRST_HELP = f"{LOADED}; ip.run_line_magic('lepton', 'output a=1')"


def milliseconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - start)


def extra(code: str, runs: int) -> list[float]:
    """Milliseconds that `code` takes more than bare IPython, pair by pair."""
    milliseconds(BARE), milliseconds(code)
    pairs = []
    for turn in range(runs):
        first, second = (BARE, code) if turn % 2 else (code, BARE)
        times = {first: milliseconds(first), second: milliseconds(second)}
        pairs.append(times[code] - times[BARE])
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="pairs per case")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cases = []
    for name, code in (("load_ext", LOADED), ("load_ext_and_first_verb", FIRST_HELP)):
        pairs = extra(code, options.runs)
        ours = round(statistics.median(pairs), 2)
        print(f"{name}: {ours} ms over bare IPython (median of {len(pairs)}, {min(pairs):.1f} to {max(pairs):.1f})")
        cases.append({"case": name, "ours": ours, "peer": None, "unit": "ms", "ratio": None, "runs": len(pairs)})
    if options.json:
        print(json.dumps({"name": "load_ext", "cases": cases}))


if __name__ == "__main__":
    main()
