"""What bench_tune.py runs in processes of their own: `lepton tune`'s engine, and Optuna around stock Lightning.

A side takes a `Task` as JSON and writes one JSON object: `seconds`, the best `score`, and how its memory went.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from lepton_nb import data, models, training
from lepton_nb.training.tuning.place import place_of
from lepton_nb.workspace import Workspace

WIDTHS = (32, 64, 128)
SPACE = "lr=log(1e-4,1e-1) hidden=[32,64,128] dropout=uniform(0,0.5)"


@dataclass(frozen=True)
class Task:
    """What both sides do."""

    home: str
    trials: int
    epochs: int
    seed: int
    batch_size: int
    threads: int = 1


def table() -> tuple[np.ndarray, np.ndarray]:
    """16,000 rows of 20 numbers, in two classes that overlap."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(16_000, 20)).astype(np.float32)
    logits = np.tanh(values[:, :6]) @ rng.normal(size=6) * 2 + values[:, 6] * values[:, 7]
    return values, (rng.random(len(values)) < 1 / (1 + np.exp(-logits))).astype(np.int64)


class Memory(threading.Thread):
    """Looks at the resident memory of a process, ten times a second."""

    def __init__(self, find: Any) -> None:
        super().__init__(daemon=True)
        self._find, self.seen, self._over = find, [], threading.Event()
        # Of what looks after the process: it hears of the time that each of its children took, once that has ended.
        self.parent: psutil.Process | None = None

    def run(self) -> None:
        while not self._over.wait(0.1):
            pid = self._find()
            if pid is not None and psutil.pid_exists(pid):
                found = psutil.Process(pid)
                self.parent = self.parent or found.parent()
                self.seen.append(found.memory_info().rss)

    def told(self) -> dict[str, float]:
        """MiB when a tenth of the time had gone, and at the end."""
        self._over.set()
        early = self.seen[len(self.seen) // 10] if self.seen else 0
        return {"early_mib": early / 2**20, "late_mib": (self.seen[-1] if self.seen else 0) / 2**20}


def worked(template: psutil.Process | None) -> float:
    """Seconds of processors that the children of a template took, those that have ended."""
    if template is None or not template.is_running():
        return 0.0
    times = template.cpu_times()
    return times.children_user + times.children_system


def ours(task: Task) -> dict[str, Any]:
    """`training.tune`, called as the verb does."""
    ws = Workspace(Path(task.home))
    rows = data.find(ws, "bench")
    fit = training.Fit(task.epochs, task.batch_size, task.seed, 0, accelerator="cpu")
    # The template is there, as it is for whoever has a kernel.
    first = f"warm-{time.time_ns()}"
    warm = Memory(lambda: getattr(place_of(ws, first).process()[0], "pid", None))
    warm.start()
    training.tune(ws, "mlp", rows, fit, SPACE, training.Method(2), name=first)
    warm.told()
    name = f"bench-{time.time_ns()}"
    memory = Memory(lambda: getattr(place_of(ws, name).process()[0], "pid", None))
    memory.start()
    before = worked(warm.parent)
    started = time.time()
    study = training.tune(ws, "mlp", rows, fit, SPACE, training.Method(task.trials), name=name)
    seconds = time.time() - started
    # The last ones still say good-bye to the tracking store.
    time.sleep(3)
    cpu = worked(memory.parent) - before
    pids = {json.loads((ws.run(one.run) / "process.json").read_text())["pid"] for one in study.trials}
    statuses = [one.status for one in study.trials]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "score": study.best.values[0],
        "pruned": statuses.count("pruned"),
        "processes": len(pids),
        **memory.told(),
    }


class Pruning(pl.Callback):
    """optuna_integration's PyTorchLightningPruningCallback, as far as one process needs it."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self.best = trial, float("inf")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        score = trainer.callback_metrics["val_loss"].item()
        self.best = min(self.best, score)
        self._trial.report(score, step=pl_module.current_epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned


def peer(task: Task) -> dict[str, Any]:
    """Optuna's own loop around Lightning's own Trainer and torch's own loaders, one trial after the other."""
    torch.set_num_threads(task.threads)
    rows = data.find(Workspace(Path(task.home)), "bench")
    parts = [TensorDataset(*map(torch.from_numpy, data.features(rows, part))) for part in ("train", "validation")]

    def objective(trial: optuna.Trial) -> float:
        settings = {
            "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
            "hidden": trial.suggest_categorical("hidden", WIDTHS),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }
        pl.seed_everything(task.seed, verbose=False)
        module = models.build("mlp", rows.feature_shape, len(rows.classes), **settings)
        callback = Pruning(trial)
        trainer = pl.Trainer(
            max_epochs=task.epochs,
            accelerator="cpu",
            callbacks=[callback],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        train, validation = parts
        trainer.fit(
            module,
            DataLoader(train, batch_size=task.batch_size, shuffle=True),
            DataLoader(validation, batch_size=task.batch_size),
        )
        return callback.best

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    me = psutil.Process().pid
    memory = Memory(lambda: me)
    memory.start()
    before = sum(psutil.Process().cpu_times()[:2])
    started = time.time()
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=task.seed), pruner=optuna.pruners.MedianPruner()
    )
    study.optimize(objective, n_trials=task.trials)
    seconds = time.time() - started
    pruned = [one for one in study.trials if one.state == optuna.trial.TrialState.PRUNED]
    times = psutil.Process().cpu_times()
    cpu = times.user + times.system - before
    told = {"seconds": seconds, "cpu": cpu, "score": study.best_value, "pruned": len(pruned), "processes": 1}
    return told | memory.told()


if __name__ == "__main__":
    side, text, answer = sys.argv[1:]
    task = Task(**json.loads(text))
    Path(answer).write_text(json.dumps({"ours": ours, "peer": peer}[side](task)))
