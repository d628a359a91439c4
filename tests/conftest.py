"""What several rooms' tests stand on: a deployment whose prediction log was written by the runtime's own writer."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_nb.records import Bento, Data, Run
from lepton_nb.runtime import (
    CHAMPION,
    Distribution,
    Input,
    Reference,
    RequestError,
    Signature,
    Slot,
    read_slots,
    slots_object,
    uuid7,
)
from lepton_nb.runtime.predlog import PredictionLog, failure_line, prediction_lines
from lepton_nb.scores import count_category, count_number, edges_of
from lepton_nb.workspace import Workspace, write_json

sys.path.insert(0, str(Path(__file__).parent))

from started import archives, running_children, start_jupyterlab

__all__ = ["LoggedDeployment", "archives", "running_children", "start_jupyterlab", "train_quickly"]


def pytest_configure(config: pytest.Config) -> None:
    """Signals do what they do in a terminal; warm templates listen in a folder of these tests' own, shared by xdist's.

    A shell has what it starts in the background ignore two of them, and so would all that is started here.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    if not hasattr(config, "workerinput"):
        os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="lepton-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End them."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ["XDG_RUNTIME_DIR"])
    for path in folder.rglob("*.sock"):
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.connect(str(path))
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
            os.kill(int.from_bytes(peer, sys.byteorder), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with the longest jobs first, so that two processes end at about the same time."""
    long = ("notebooks", "training", "tracking", "browser", "pipelines", "kernels", "labserver")
    items.sort(key=lambda item: next((i for i, name in enumerate(long) if name in item.path.parts), len(long)))


AGE = Input("age", "number")
CITY = Input("city", "category", categories=("oslo", "rome"))


class LoggedDeployment:
    """A deployment folder with slots, a model's signature and reference, and a real prediction log; no server."""

    def __init__(self, ws: Workspace, name: str = "demo", *, inputs: Sequence[Input] = (AGE, CITY)) -> None:
        self.ws, self.name, self.folder = ws, name, ws.deployment(name)
        self.signature = Signature("classification", ("no", "yes"), tuple(inputs))
        self.log = PredictionLog(self.folder)
        self.folder.mkdir(parents=True)
        self.promote(f"{name}:v1")

    def promote(self, version: str) -> None:
        model = self.ws.home / "models" / version.replace(":", "-")
        model.mkdir(parents=True, exist_ok=True)
        rows = self.rows(1000, seed=99)
        features: dict[str, Distribution] = {}
        for one in self.signature.inputs:
            values = [row[one.name] for row in rows]
            if one.kind == "number":
                edges = edges_of(values)
                counts = tuple(count_number(values, edges).tolist())
                features[one.name] = Distribution("number", counts, edges=tuple(edges.tolist()))
            else:
                counts = tuple(count_category(values, one.categories).tolist())
                features[one.name] = Distribution("category", counts, categories=one.categories)
        prediction = Distribution("category", (500, 500), categories=("no", "yes"))
        (model / "signature.json").write_text(json.dumps(self.signature.to_dict()))
        (model / "reference.json").write_text(json.dumps(Reference(features, prediction, 1000).to_dict()))
        slots = slots_object({CHAMPION: Slot(version, model)})
        write_json(self.folder / "slots.json", {"slots": slots["slots"]})
        self.version = version

    def rows(self, count: int, *, seed: int = 0, shift: float = 0.0) -> list[dict[str, Any]]:
        rng = np.random.default_rng(seed)
        values = rng.normal(40 + shift, 10, (count, len(self.signature.inputs)))
        places = [("oslo", "rome")[place] for place in rng.integers(0, 2, count)]
        return [
            {
                one.name: float(values[i, j]) if one.kind == "number" else places[i]
                for j, one in enumerate(self.signature.inputs)
            }
            for i in range(count)
        ]

    def answer(
        self, rows: list[dict[str, Any]], *, at: float | None = None, ms: float = 2.0, labels: Sequence[str] = ()
    ) -> None:
        """Log one request."""
        chosen = labels or [("no", "yes")[i % 2] for i in range(len(rows))]
        answers = [{"id": uuid7(), "label": label, "probabilities": [0.5, 0.5]} for label in chosen]
        moment = time.time() if at is None else at
        lines = prediction_lines(rows, answers, time=moment, slot=CHAMPION, version=self.version, ms=ms)
        self.log.append(lines)

    def fail(self, status: int = 422, code: str = "invalid_row", *, at: float | None = None) -> None:
        """Log one request that failed."""
        moment = time.time() if at is None else at
        fault = RequestError(status, code, "no")
        line = failure_line(fault, identifier=uuid7(), time=moment, slot=CHAMPION, version=self.version, ms=0.1)
        self.log.append(line)

    @property
    def segments(self) -> list[Path]:
        return sorted(self.folder.glob("log-*.jsonl"))

    @property
    def model(self) -> Path:
        return read_slots(self.folder / "slots.json")[CHAMPION].path

    def record(self, status: str = "running", **fields: Any) -> Any:
        """Write the record of serving; the process of these tests stands for the server's."""
        from lepton_nb.processes import identify
        from lepton_nb.records import Deployment
        from lepton_nb.serving.deployed import write

        me = identify()
        known = {"url": "http://127.0.0.1:1", "bento": self.version, "workers": 1, "created": time.time(), **fields}
        return write(Deployment(self.name, status, pid=me.pid, started=me.started, path=self.folder, **known))

    def entries(self) -> list[dict[str, Any]]:
        """Every line of the log, read plainly."""
        return [json.loads(line) for path in self.segments for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="session")
def log_deployment() -> type[LoggedDeployment]:
    """The class of deployments with a log, for tests that share one."""
    return LoggedDeployment


@pytest.fixture
def logged(tmp_path: Path) -> Callable[..., LoggedDeployment]:
    """Makes deployments with a log in one workspace."""
    ws = Workspace(tmp_path / ".lepton")

    def make(name: str = "demo", **options: Any) -> LoggedDeployment:
        return LoggedDeployment(ws, name, **options)

    return make


@dataclass(frozen=True)
class Trained:
    """A finished run in a workspace of its own, trained by a bare loop in a second: no trainer, no tracking store."""

    ws: Workspace
    run: Run
    data: Data


def train_quickly(ws: Workspace, data: Data, net: Any, *, run_id: str = "run1", epochs: int = 6, **options: Any) -> Run:
    """Train a network of the zoo, or a LightningModule, and leave it as the trainer would: in a job folder.

    A network of the zoo is trained for the data's own task, another one to tell classes.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from lepton_nb.data import features
    from lepton_nb.models import save_weights, specify
    from lepton_nb.training.job import Fit, Job
    from lepton_nb.training.sources import about

    # Threads that wait for each other are slow where other tests hold the cores.
    torch.set_num_threads(1)
    spec = specify(net, data.feature_shape, data.width, options, task=data.task, about=about(data))
    torch.manual_seed(0)
    module = spec.build()
    rows, targets = map(torch.from_numpy, features(data, "train"))
    if getattr(module, "needs_rows", False):
        module.learn_from(rows, targets)
    optimizer = torch.optim.Adam(module.parameters(), 4e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(rows)).split(64):
            optimizer.zero_grad()
            batch = rows[chosen], targets[chosen]
            loss = module.training_step(batch, 0) if spec.kind == "zoo" else cross_entropy(module(batch[0]), batch[1])
            loss.backward()
            optimizer.step()
    path, name = ws.run(run_id), f"{data.name}-{spec.name}"
    path.mkdir(parents=True, mode=0o700)
    Job(run_id, name, ws.home, data.id, Fit(max(epochs, 1), 64, 0, 0), spec.entry(), []).write(spec.pack())
    save_weights(path / "weights.safetensors", module)
    now = time.time()
    return Run(run_id, name, "finished", spec.name, data.id, now - 5, now, {}, {}, {}, path)


@pytest.fixture(scope="session")
def quick_run() -> Callable[..., Run]:
    """Makes finished runs: `quick_run(ws, data, net, run_id="run1", epochs=6)`."""
    return train_quickly


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """A trained run on a data set of scikit-learn by its name, one per session: leave it as it is."""

    @cache
    def make(name: str) -> Trained:
        from lepton_nb.data import load

        ws = Workspace(tmp_path_factory.mktemp(name) / ".lepton")
        data = load(ws, name)
        return Trained(ws, train_quickly(ws, data, "cnn" if data.kind == "array" else "mlp"), data)

    return make


@pytest.fixture(scope="session")
def packaged(trained: Callable[[str], Trained]) -> Callable[[str], Bento]:
    """The Bento of such a run, one per session: leave it as it is."""

    @cache
    def make(name: str) -> Bento:
        from lepton_nb.packaging import package

        one = trained(name)
        return package(one.ws, one.run, one.data, name=name.replace("_", "-"))

    return make
