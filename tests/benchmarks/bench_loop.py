"""A stream whose concept changes, against a live deployment, with and without the loop.

Each row is a request of its own. Its label comes 500 requests later through /feedback. `lepton watch` runs as a process
of its own, and nobody touches anything: it finds the change, retrains, proves the new model better and swaps it in.
While it retrains and rolls out, requests come more slowly, so that a stream is not over before a slow machine has
trained.

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
import contextlib
import http.client
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from loop_streams import NAMES, ROOT, SkippedError, Stream, stream
from serving_sides import quiet

LATE, TOLD_AT_ONCE = 500, 50
# Requests a second, and while the watch does what takes it time.
FAST = 1000.0
PACE = {"retraining": 30.0, "gating": 30.0, "shadow": 60.0, "canary": 100.0}
_STEP = 1000


@dataclass
class Asked:
    """What came of a stream.

    Args:
        right: [N], whether each answer was right.
        failed: requests that were not answered with 200.
        found: requests from the change to the decision to retrain; None when there was none.
        swapped: requests from the change to the first answer of a new model; None when there was none.
        decisions: what was decided, in order.
    """

    right: np.ndarray
    failed: int = 0
    found: int | None = None
    swapped: int | None = None
    decisions: list[str] = field(default_factory=list)


class Deployed:
    """A served first model, and a watch over it.

    Args:
        made: the stream.
        folder: a project of its own.
        rows: labelled rows that a retraining waits for.
        poisoned: whether the pipeline learns from labels that are the wrong way round.
    """

    def __init__(self, made: Stream, folder: Path, *, rows: int = 3000, poisoned: bool = False) -> None:
        self.made, self.folder = made, folder
        shutil.copytree(ROOT / "notebooks" / "pipelines", folder / "notebooks")
        self.bento = trained(made.train, made.name)
        self.pipeline = folder / "notebooks" / "retrain.yml"
        if poisoned:
            poison(folder / "notebooks" / "ingest.ipynb")
        self.rows = rows
        self._connection: http.client.HTTPConnection | None = None

    @contextlib.contextmanager
    def running(self, **options: Any) -> Iterator[Deployed]:
        """Serve and watch while the block runs."""
        import lepton_nb

        name, known = self.made.name, {"every": "1s", "guard": "10s", "shadow": 300, "canary": "30%"}
        with quiet():
            served = lepton_nb.serve(self.bento, name=name, port=0)
        try:
            with quiet():
                words = {**known, "window": 500, "labels": self.rows, "canary_rows": 150, **options}
                lepton_nb.watch(name, pipeline=self.pipeline, detach=True, **words)
            address = served.url.removeprefix("http://").split(":")
            self._connection = http.client.HTTPConnection(address[0], int(address[1]), timeout=60)
            self._headers = {
                "Authorization": f"Bearer {served.token_file.read_text().strip()}",
                "Content-Type": "application/json",
            }
            yield self
        finally:
            with quiet(), contextlib.suppress(Exception):
                lepton_nb.stop(f"watch-{name}")
            with quiet():
                lepton_nb.stop(name)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and answer."""
        assert self._connection
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def status(self) -> Any:
        """How the watch is."""
        import lepton_nb

        return lepton_nb.watch(self.made.name, status=True)

    def ask(self, rows: pd.DataFrame, onset: int | None, *, until: Any = None) -> Asked:
        """Ask row by row, and tell each label late.

        Args:
            rows: with the column `truth`.
            onset: the row at which the concept changes.
            until: ends the stream early when it holds, given how the watch is.
        """
        truth = rows["truth"].tolist()
        records = json.loads(rows.drop(columns="truth").to_json(orient="records"))
        asked, waiting = Asked(np.zeros(len(rows), dtype=bool)), list[dict[str, str]]()
        state, next_at = self.status(), time.monotonic()
        for number, (row, label) in enumerate(zip(records, truth, strict=True)):
            code, answer = self.post("/predict", {"rows": [row]})
            if code == 200:
                one = answer["predictions"][0]
                asked.right[number] = one["label"] == label
                waiting.append({"id": one["id"], "label": label})
                if answer["version"] != self.bento.tag and asked.swapped is None and onset is not None:
                    asked.swapped = number - onset
            asked.failed += code != 200
            if len(waiting) >= LATE + TOLD_AT_ONCE:
                asked.failed += self.post("/feedback", {"feedback": waiting[:TOLD_AT_ONCE]})[0] != 202
                del waiting[:TOLD_AT_ONCE]
            if number % TOLD_AT_ONCE == 0:
                state = self.status()
                if state.cycle and asked.found is None and onset is not None:
                    asked.found = number - onset
                if until is not None and until(state):
                    asked.right = asked.right[: number + 1]
                    break
                next_at = max(next_at, time.monotonic() - 1.0)
                next_at += TOLD_AT_ONCE / PACE.get(state.stage, FAST)
                time.sleep(max(0.0, next_at - time.monotonic()))
        asked.decisions = [one.line() for one in self.status().decisions]
        return asked


def trained(rows: pd.DataFrame, name: str) -> Any:
    """The Bento of a network that learns these rows."""
    import lepton_nb

    with quiet():
        data = lepton_nb.data_load(rows, target="truth", name=name)
        return lepton_nb.package(lepton_nb.train("mlp", data=data, epochs=30), name=name)


def poison(notebook: Path) -> None:
    """Have a notebook turn the labels of its rows round before it loads them."""
    book = json.loads(notebook.read_text())
    source = [
        "import pandas as pd\n",
        "rows = pd.read_parquet(source)\n",
        "a, b = sorted(rows[target].unique())[:2]\n",
        "rows[target] = rows[target].map({a: b, b: a})\n",
        "source = source.replace('.parquet', '-poisoned.parquet')\n",
        "rows.to_parquet(source)",
    ]
    place = next(i for i, cell in enumerate(book["cells"]) if cell["metadata"].get("tags") == ["parameters"]) + 1
    cell = {
        "cell_type": "code",
        "id": "poison",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    book["cells"].insert(place, cell)
    notebook.write_text(json.dumps(book))


def answers(bento: Any, rows: pd.DataFrame) -> np.ndarray:
    """Whether a model is right on rows, asked without a server."""
    from lepton_nb.serving import predict_bento

    labels = np.array(predict_bento(bento, rows.drop(columns="truth")).labels, dtype=object)
    return labels == rows["truth"].to_numpy(dtype=object)


def drifting(name: str, requests: int, folder: Path, *, picture: Path | None = None) -> list[dict[str, Any]]:
    """One stream with a change: the curve, and the cases."""
    made = stream(name, folder / "streams", requests)
    deployed = Deployed(made, folder / name)
    rows, onset = pd.concat([made.before, made.after], ignore_index=True), len(made.before)
    with deployed.running():
        asked = deployed.ask(rows, onset)
    alone = answers(deployed.bento, rows)
    last = len(rows) // 10
    best = min(answers(trained(made.fresh, f"{name}-fresh"), rows[-last:]).mean(), alone[:onset].mean())
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
    made = stream(name, folder / "streams", requests, share=0.9)
    deployed = Deployed(made, folder / f"{name}-idle")
    with deployed.running():
        asked = deployed.ask(made.before, None)
    return case(f"idle_{name}", len(asked.decisions) - 1, "decisions")


def poisoned(name: str, requests: int, folder: Path) -> dict[str, Any]:
    """A change, and a pipeline that learns the wrong thing: the gate stops it."""
    made = stream(name, folder / "streams", requests)
    deployed = Deployed(made, folder / f"{name}-poisoned", rows=1500, poisoned=True)
    rows = pd.concat([made.before, made.after], ignore_index=True)
    with deployed.running():
        asked = deployed.ask(
            rows, len(made.before), until=lambda state: state.decisions and state.decisions[-1].action in _JUDGED
        )
    refused = [line for line in asked.decisions if line.startswith("refused")]
    print(f"  {name}, poisoned: {refused[0] if refused else asked.decisions}")
    promoted = sum(line.startswith(("passed", "promoted")) for line in asked.decisions)
    return case(f"poisoned_{name}", promoted if refused else None, "promotions")


_JUDGED = ("refused", "passed")


def rollback(name: str, requests: int, folder: Path) -> dict[str, Any]:
    """A bad model that somebody promotes: how long until what answered before answers again."""
    import lepton_nb

    made = stream(name, folder / "streams", requests)
    deployed = Deployed(made, folder / f"{name}-forced")
    turned = made.train.assign(truth=made.train["truth"].map(dict(zip(*_turned(made.train), strict=True))))
    bad = trained(turned, f"{name}-bad")
    with deployed.running(guard="10m"):
        deployed.ask(made.before[:2000], None)
        began = time.time()
        with quiet():
            lepton_nb.promote(name, bad)
        asked = deployed.ask(made.before[2000:], None, until=lambda state: state.decisions[-1].action == "rolled back")
        decided = deployed.status().decisions[-1]
    print(f"  {name}, forced: {'; '.join(asked.decisions[1:])}")
    return case(f"rollback_{name}", decided.time - began if decided.action == "rolled back" else None, "s")


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
