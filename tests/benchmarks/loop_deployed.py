"""A served model, a watch over it, and requests whose labels come late, for bench_loop.py."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from loop_streams import ROOT, Stream
from serving_sides import quiet

__all__ = ["Asked", "Deployed", "answers", "learnt", "trained"]

LATE, TOLD_AT_ONCE, AT_A_TIME = 500, 50, 10
# Requests a second, and while the watch does what takes it time.
FAST = 500.0
PACE = {"retraining": 10.0, "gating": 10.0, "shadow": 40.0, "canary": 100.0, "guarding": 300.0}


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
        self._wire: _Wire | None = None

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
            self._wire = _Wire(served)
            yield self
        finally:
            if self._wire is not None:
                self._wire.close()
            with quiet(), contextlib.suppress(Exception):
                lepton_nb.stop(f"watch-{name}")
            with quiet():
                lepton_nb.stop(name)

    def status(self) -> Any:
        """How the watch is."""
        import lepton_nb

        return lepton_nb.watch(self.made.name, status=True)

    def ask(self, rows: pd.DataFrame, onset: int | None, *, until: Any = None) -> Asked:
        """Ask each row by a request of its own, and tell each label late.

        Args:
            rows: with the column `truth`.
            onset: the row at which the concept changes.
            until: ends the stream early when it holds, given how the watch is.
        """
        assert self._wire
        truth = rows["truth"].tolist()
        records = _records(rows)
        asked, waiting = Asked(np.zeros(len(rows), dtype=bool)), list[dict[str, str]]()
        next_at = time.monotonic()
        for start in range(0, len(rows), TOLD_AT_ONCE):
            state = self.status()
            if state.cycle and asked.found is None and onset is not None:
                asked.found = start - onset
            if until is not None and until(state):
                asked.right = asked.right[:start]
                break
            bodies = [{"rows": [row]} for row in records[start : start + TOLD_AT_ONCE]]
            for number, (code, answer) in enumerate(self._wire.post("/predict", bodies), start):
                asked.failed += code != 200
                if code != 200:
                    continue
                one = answer["predictions"][0]
                asked.right[number] = one["label"] == truth[number]
                waiting.append({"id": one["id"], "label": truth[number]})
                if answer["version"] != self.bento.tag and asked.swapped is None and onset is not None:
                    asked.swapped = number - onset
            while len(waiting) >= LATE + TOLD_AT_ONCE:
                ((code, _),) = self._wire.post("/feedback", [{"feedback": waiting[:TOLD_AT_ONCE]}])
                asked.failed += code != 202
                del waiting[:TOLD_AT_ONCE]
            next_at = max(next_at, time.monotonic() - 1.0)
            next_at += TOLD_AT_ONCE / PACE.get(state.stage, FAST)
            time.sleep(max(0.0, next_at - time.monotonic()))
        asked.decisions = [one.line() for one in self.status().decisions]
        return asked


class _Wire:
    """Connections that stay open. A client that takes little time of the processors leaves it to what is measured.

    Args:
        served: the deployment.
    """

    def __init__(self, served: Any) -> None:
        host, _, port = served.url.removeprefix("http://").partition(":")
        self._sockets = [socket.create_connection((host, int(port)), timeout=60) for _ in range(AT_A_TIME)]
        self._head = (
            f"HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {served.token_file.read_text().strip()}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    def post(self, path: str, bodies: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Status and answer of each request, in order; as many are under way at a time as there are connections."""
        for start in range(0, len(bodies), len(self._sockets)):
            under_way = list(zip(self._sockets, bodies[start:], strict=False))
            for one, body in under_way:
                content = orjson.dumps(body)
                one.sendall(f"POST {path} {self._head}{len(content)}\r\n\r\n".encode() + content)
            for one, _ in under_way:
                yield self._answer(one)

    def _answer(self, one: socket.socket) -> tuple[int, Any]:
        read = b""
        while b"\r\n\r\n" not in read:
            read += self._more(one)
        head, _, content = read.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1])
        while len(content) < length:
            content += self._more(one)
        return int(head.split(b" ", 2)[1]), orjson.loads(content) if content else None

    @staticmethod
    def _more(one: socket.socket) -> bytes:
        if not (read := one.recv(65536)):
            raise ConnectionError("the server has closed the connection")
        return read

    def close(self) -> None:
        """End all connections."""
        for one in self._sockets:
            one.close()


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them, without what is true of them."""
    found: list[dict[str, Any]] = json.loads(rows.drop(columns="truth").to_json(orient="records"))
    return found


def trained(rows: pd.DataFrame, name: str) -> Any:
    """The Bento of a network that learns these rows."""
    import lepton_nb

    with quiet():
        return lepton_nb.package(_run(rows, name)[0], name=name)


def learnt(rows: pd.DataFrame, name: str) -> Path:
    """The model folder of a network that learns these rows, for whoever does not serve it."""
    from lepton_nb import artifact
    from lepton_nb.workspace import current

    with quiet():
        return Path(artifact.build(current(), *_run(rows, name)).path)


def _run(rows: pd.DataFrame, name: str) -> tuple[Any, Any]:
    import lepton_nb

    data = lepton_nb.data_load(rows, target="truth", name=name)
    return lepton_nb.train("mlp", data=data, epochs=30), data


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


def answers(model: Path, rows: pd.DataFrame) -> np.ndarray:
    """Whether the model in a folder is right on rows, asked without a server."""
    from lepton_nb.runtime.model import Model
    from lepton_nb.runtime.rows import arrays_of

    asked = Model.load(model)
    found = asked.predict(arrays_of(_records(rows), asked.signature)).argmax(axis=1)
    return np.array(asked.signature.classes, dtype=object)[found] == rows["truth"].to_numpy(dtype=object)
