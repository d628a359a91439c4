"""A served model, a watch over it, and requests whose labels come late, for bench_loop.py."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from loop_streams import ROOT, Stream
from serving_sides import quiet

__all__ = ["Asked", "Deployed", "answers", "trained"]

LATE, TOLD_AT_ONCE = 500, 50
# Requests a second, and while the watch does what takes it time.
FAST = 1000.0
PACE = {"retraining": 30.0, "gating": 30.0, "shadow": 60.0, "canary": 100.0, "guarding": 300.0}


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
