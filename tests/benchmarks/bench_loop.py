"""A stream whose concept changes, against a live deployment, with and without the loop.

Each row is a request of its own, ten of which are under way at a time. Its label comes 500 requests later through
/feedback. `lepton watch` runs as a process of its own, and nobody touches anything: it finds the change, retrains,
proves the new model better and swaps it in. While it retrains and rolls out, requests come more slowly, so that a
stream is not over before a slow machine has trained.

    recovered   the share of the lost accuracy that is back at the end, measured on the last tenth of the stream. What
                was lost is what the first model is worth there less than a model that learns the new concept from
                6,000 fresh rows, and no more than it is worth on its own concept.
    found       requests from the change to the decision to retrain
    failed      requests that were not answered with 200
    idle        decisions in a stream without a change, but for the first one
    poisoned    promotions while the pipeline learns from labels that are the wrong way round
    rollback    seconds from a bad model's promotion by hand to the former one's return

    python tests/benchmarks/bench_loop.py [--stream sea agrawal hyperplane adult] [--requests 20000] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from loop_deployed import Deployed, answers, learnt, trained
from loop_streams import NAMES, SkippedError, stream
from serving_sides import quiet

_STEP = 1000
# Until a watch has done what it must, so many rows are asked at most, and so long.
_FORCED_ROWS, _PATIENCE_S = 100_000, 120.0
_JUDGED_S = 600.0


def drifting(name: str, requests: int, folder: Path, *, picture: Path | None = None) -> list[dict[str, Any]]:
    """One stream with a change: the curve, and the cases."""
    made = stream(name, requests)
    # As many labelled rows as the model that is the best to be had learns from, in a stream that is long enough.
    deployed = Deployed(made, folder / name, rows=min(6000, int(0.3 * requests)))
    rows, onset = pd.concat([made.before, made.after], ignore_index=True), len(made.before)
    with deployed.running():
        asked = deployed.ask(rows, onset)
    alone = answers(deployed.bento.model, rows)
    last = len(rows) // 10
    best = min(answers(learnt(made.fresh, f"{name}-fresh"), rows[-last:]).mean(), alone[:onset].mean())
    stale, back = alone[-last:].mean(), asked.right[-last:].mean()
    recovered = float((back - stale) / (best - stale))
    print(f"  {name}: requests  with the loop  without")
    for start in range(0, len(rows), max(_STEP, len(rows) // 40)):
        end = start + max(_STEP, len(rows) // 40)
        print(f"  {start:>16,}  {asked.right[start:end].mean():13.3f}  {alone[start:end].mean():7.3f}", flush=True)
    for line in asked.decisions:
        print(f"  {line}")
    if picture is not None:
        draw(asked.right, alone, onset, picture.with_name(f"{picture.stem}-{name}{picture.suffix}"))
    before = alone[:onset].mean()
    print(f"  {name}: {before:.3f} before, {stale:.3f} without the loop, {back:.3f} with it, {best:.3f} at best")
    return [
        case(f"recovered_{name}", recovered, "fraction"),
        case(f"lost_{name}", float(before - stale), "fraction"),
        case(f"found_{name}", asked.found, "requests"),
        case(f"swapped_{name}", asked.swapped, "requests"),
        case(f"failed_{name}", asked.failed, "requests"),
    ]


def idle(name: str, requests: int, folder: Path) -> dict[str, Any]:
    """A stream without a change: nothing is decided."""
    made = stream(name, requests, share=0.9)
    deployed = Deployed(made, folder / f"{name}-idle")
    with deployed.running():
        asked = deployed.ask(made.before, None)
    return case(f"idle_{name}", len(asked.decisions) - 1, "decisions")


def poisoned(name: str, requests: int, folder: Path) -> dict[str, Any]:
    """A change, and a pipeline that learns the wrong thing: the gate stops it."""
    made = stream(name, requests)
    deployed = Deployed(made, folder / f"{name}-poisoned", rows=1500, poisoned=True)
    # The rows behind the change come again until the gate has spoken, however long a retraining takes here.
    rows = pd.concat([made.before, *[made.after] * -(-_FORCED_ROWS // len(made.after))], ignore_index=True)
    began = time.time()
    with deployed.running():
        asked = deployed.ask(rows, len(made.before), until=lambda state: _is_judged(state, began))
    refused = [line for line in asked.decisions if line.startswith("refused")]
    print(f"  {name}, poisoned: {refused[0] if refused else asked.decisions}")
    promoted = sum(line.startswith(("passed", "promoted")) for line in asked.decisions)
    return case(f"poisoned_{name}", promoted if refused else None, "promotions")


_JUDGED = ("refused", "passed")


def rollback(name: str, requests: int, folder: Path) -> dict[str, Any]:
    """A bad model that somebody promotes: how long until what answered before answers again."""
    import lepton_nb

    made = stream(name, requests, share=0.9)
    deployed = Deployed(made, folder / f"{name}-forced")
    turned = made.train.assign(truth=made.train["truth"].map(dict(zip(*_turned(made.train), strict=True))))
    bad = trained(turned, f"{name}-bad")
    with deployed.running(guard="10m"):
        first = min(2000, len(made.before) // 2)
        deployed.ask(made.before[:first], None)
        began = time.time()
        with quiet():
            lepton_nb.promote(name, bad)
        # The same rows come again: people go on asking, however long it takes.
        rest = pd.concat([made.before[first:]] * -(-_FORCED_ROWS // (len(made.before) - first)), ignore_index=True)
        asked = deployed.ask(rest, None, until=lambda state: _is_over(state, began))
        decided = deployed.status().decisions[-1]
    print(f"  {name}, forced: {'; '.join(asked.decisions[1:])}")
    return case(f"rollback_{name}", decided.time - began if decided.action == "rolled back" else None, "s")


def _is_judged(state: Any, began: float) -> bool:
    return (bool(state.decisions) and state.decisions[-1].action in _JUDGED) or time.time() - began > _JUDGED_S


def _is_over(state: Any, began: float) -> bool:
    return state.decisions[-1].action == "rolled back" or time.time() - began > _PATIENCE_S


def _turned(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    found = sorted(rows["truth"].unique())
    return found, found[::-1]


def draw(right: np.ndarray, alone: np.ndarray, onset: int, path: Path) -> None:
    """The accuracy over the stream, with the loop and without."""
    from lepton_nb.figures import overlay
    from lepton_nb.records import Line

    size = max(100, len(right) // 60)
    starts = range(0, len(right) - size + 1, size)
    lines = [
        Line("accuracy", tuple(starts), tuple(float(values[start : start + size].mean()) for start in starts), run)
        for run, values in (("with the loop", right), ("without", alone))
    ]
    path.write_text(overlay(lines, metric="accuracy"))


def case(name: str, value: float | None, unit: str) -> dict[str, Any]:
    """One case, told and as JSON; there is no peer that does this."""
    shown = None if value is None else round(float(value), 4)
    print(f"{name}: {shown} {unit}", flush=True)
    return {"case": name, "ours": shown, "peer": None, "unit": unit, "ratio": None, "runs": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stream", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--case", nargs="+", choices=("drift", "idle", "poisoned", "rollback"), default=None)
    parser.add_argument("--requests", type=int, default=20_000, help="of each stream")
    parser.add_argument("--picture", type=Path, help="write the curves to this .svg file")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    wanted = options.case or ["drift", "idle", "poisoned", "rollback"]
    cases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "pyproject.toml").touch()
        os.environ["LEPTON_HOME"] = str(folder / ".lepton")
        for one in options.stream:
            try:
                if "drift" in wanted:
                    cases += drifting(one, options.requests, folder, picture=options.picture)
            except SkippedError as skipped:
                print(f"!!! {one} SKIPPED: {skipped}", flush=True)
        extra = {"idle": idle, "poisoned": poisoned, "rollback": rollback}
        cases += [
            extra[kind](options.stream[-1], min(options.requests, 20_000), folder) for kind in wanted if kind in extra
        ]
    recovered = [one["ours"] for one in cases if one["case"].startswith("recovered_")]
    if recovered:
        cases.append(case("recovered", min(recovered), "fraction"))
    if options.json:
        print(json.dumps({"name": "loop", "cases": cases}))


if __name__ == "__main__":
    main()
