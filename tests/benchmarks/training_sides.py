"""What bench_training.py runs in processes of their own: stock Lightning, a loop by hand, our trainer with no one to
tell; and the data and the networks that all of them share.

A side takes a `Task` as JSON and prints one JSON object: `seconds` from the first batch on, `losses` of each epoch and
`threads`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from lepton_nb import data, models, tracking
from lepton_nb.models.mlp import MLP
from lepton_nb.records import Epoch, Started
from lepton_nb.training import Fit
from lepton_nb.training.events import EventLog
from lepton_nb.workspace import Workspace


@dataclass(frozen=True)
class Task:
    """What every side of a case does."""

    home: str
    data: str
    net: str
    epochs: int
    batch_size: int
    options: dict[str, Any] = field(default_factory=dict)
    # Of torch; 0 leaves it as torch chooses.
    threads: int = 0
    folder: str = ""

    def module(self) -> pl.LightningModule:
        found = data.find(Workspace(Path(self.home)), self.data)
        kind: Any = globals().get(self.net.split(":")[-1], self.net)
        pl.seed_everything(0, verbose=False)
        return models.specify(kind, found.feature_shape, len(found.classes), self.options, None).build()

    def part(self, name: str) -> tuple[Tensor, Tensor]:
        values, targets = data.features(data.find(Workspace(Path(self.home)), self.data), name)
        return torch.from_numpy(values), torch.from_numpy(targets)


class Logging(MLP):
    """A network that logs at each step, as most in tutorials do."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log("loss_now", loss, prog_bar=True)
        return loss


def table() -> pd.DataFrame:
    """75,000 rows of 30 numbers, of which 60,000 are trained on, in two classes that overlap."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(75_000, 30)).astype(np.float32)
    logits = np.tanh(values[:, :10]) @ rng.normal(size=10) + 0.5 * values[:, 10] * values[:, 11]
    frame = pd.DataFrame(values, columns=[f"x{place}" for place in range(30)])
    return frame.assign(y=(rng.random(75_000) < 1 / (1 + np.exp(-logits))).astype(int))


def images() -> tuple[np.ndarray, np.ndarray]:
    """75,000 pictures of 28x28, of which 60,000 are trained on; a sixth of the labels is drawn anew."""
    rng = np.random.default_rng(0)
    shapes = rng.random((10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    true = rng.integers(0, 10, 75_000)
    noise = rng.random((75_000, 28, 28), dtype=np.float32)
    values = ((0.5 * shapes[true] + 0.5 * noise) * 255).astype(np.uint8)
    return values[:, None], np.where(rng.random(75_000) < 1 / 6, rng.integers(0, 10, 75_000), true)


class Clock(pl.Callback):
    """When the first batch begins, and the mean loss of each epoch."""

    def __init__(self) -> None:
        self.started, self.losses = 0.0, []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.started = time.time()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.losses.append(float(trainer.callback_metrics["train_loss"]))


def lightning(task: Task) -> dict[str, Any]:
    """Lightning's Trainer with all that it has by itself, over DataLoaders."""
    module, clock = task.module(), Clock()
    train, validation = (TensorDataset(*task.part(name)) for name in ("train", "validation"))
    trainer = pl.Trainer(max_epochs=task.epochs, callbacks=[clock], default_root_dir=task.folder)
    trainer.fit(
        module,
        DataLoader(train, batch_size=task.batch_size, shuffle=True),
        DataLoader(validation, batch_size=task.batch_size),
    )
    return {"seconds": time.time() - clock.started, "losses": clock.losses}


def by_hand(task: Task) -> dict[str, Any]:
    """A loop over slices of tensors that are put into a new order at each epoch."""
    module: Any = task.module()
    network, size, losses = module.network, task.batch_size, []
    (x, y), (seen, wanted) = task.part("train"), task.part("validation")
    started = time.time()
    optimizer = torch.optim.AdamW(network.parameters(), lr=module.lr, weight_decay=module.weight_decay, fused=True)
    steps = task.epochs * -(-len(y) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=module.lr, total_steps=steps)
    for _ in range(task.epochs):
        network.train()
        order, total = torch.randperm(len(y)), torch.zeros(())
        for features, targets in zip(x[order].split(size), y[order].split(size), strict=True):
            loss = functional.cross_entropy(network(features), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(targets)
        losses.append(float(total) / len(y))
        network.eval()
        with torch.no_grad():
            for features, targets in zip(seen.split(size), wanted.split(size), strict=True):
                logits = network(features)
                functional.cross_entropy(logits, targets)
                (logits.argmax(dim=1) == targets).float().mean()
    return {"seconds": time.time() - started, "losses": losses}


class Unheard(EventLog):
    """Tells nobody."""

    def __init__(self) -> None:
        self.started, self.losses = 0.0, []

    def write(self, event: Any) -> None:
        if isinstance(event, Started):
            self.started = time.time()
        elif isinstance(event, Epoch):
            self.losses.append(event.metrics["train_loss"])


def unseen(task: Task) -> dict[str, Any]:
    """Our trainer with nobody who watches, no events, and nothing for MLflow."""
    from lepton_nb.training.job import Job
    from lepton_nb.training.trainer import fitting

    ws, log = Workspace(Path(task.home)), Unheard()
    place = ws.run(f"unseen-{time.time_ns()}")
    place.mkdir(mode=0o700)
    found = data.find(ws, task.data)
    spec = models.specify(task.net, found.feature_shape, len(found.classes), task.options, None)
    job = Job(
        id=place.name,
        name="unseen",
        home=ws.home,
        data=found.id,
        fit=Fit(epochs=task.epochs, batch_size=task.batch_size, seed=0, patience=0),
        net=spec.entry(),
    )
    job.write(None)
    fitting.Sender = lambda *_: contextlib.nullcontext()
    tracking.spool_metrics = tracking.log_files = lambda *_, **__: None
    fitting.fit(job, log)
    return {"seconds": time.time() - log.started, "losses": log.losses}


def main() -> None:
    side, text, answer = sys.argv[1:]
    task = Task(**json.loads(text))
    if task.threads:
        torch.set_num_threads(task.threads)
    done = {"lightning": lightning, "by_hand": by_hand, "unseen": unseen}[side](task)
    Path(answer).write_text(json.dumps({**done, "threads": torch.get_num_threads(), "task": asdict(task)}))


if __name__ == "__main__":
    main()
