"""Train with Lightning, as it is or with `make_lean`, and print what was called, logged, counted and learned.

python traced.py stock|lean
"""

import hashlib
import json
import sys
import tempfile
import warnings

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import DummyLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HOOKS = (
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_batch_end",
    "on_validation_end",
    "on_train_epoch_end",
)
TRACE = []


def traced(name, who):
    def hook(self, *args):
        trainer = args[0] if who == "callback" else self.trainer
        losses = [float(one) for one in args if isinstance(one, torch.Tensor) and one.numel() == 1]
        numbers = [one for one in args if isinstance(one, int)]
        rates = [group["lr"] for one in trainer.optimizers for group in one.param_groups]
        told = {key: float(value) for key, value in trainer.callback_metrics.items()}
        fx = trainer.lightning_module._current_fx_name
        TRACE.append((who, name, fx, losses, numbers, trainer.global_step, rates, told))
        if who == "network" and name == "on_train_batch_end" and self.extra.get("logs"):
            self.log("behind", float(args[-1]), on_step=True)
        return (
            -1 if who == "network" and name == "on_train_batch_start" and self.extra.get("leaves") == args[-1] else None
        )

    return hook


class Watching(pl.Callback):
    pass


class Net(pl.LightningModule):
    def __init__(self, **extra):
        super().__init__()
        self.extra = extra
        self.network = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
        if self.extra.get("logs"):
            self.log("train_loss", loss, on_step=True, on_epoch=True)
        if self.extra.get("skips") and batch_idx == 3:
            return None
        return {"loss": loss, "more": batch_idx} if self.extra.get("returns_more") else loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        kind = torch.optim.Adam if self.extra.get("adam") else torch.optim.AdamW
        optimizer = kind(self.groups(), lr=0.01, fused=self.extra.get("fused"))
        of = torch.optim.lr_scheduler
        schedules = {
            "step": lambda: {"scheduler": of.OneCycleLR(optimizer, 0.1, total_steps=200), "interval": "step"},
            "every third": lambda: {"scheduler": of.StepLR(optimizer, 1), "interval": "step", "frequency": 3},
            "epoch": lambda: {"scheduler": of.StepLR(optimizer, 1), "interval": "epoch"},
            "plateau": lambda: {"scheduler": of.ReduceLROnPlateau(optimizer, patience=0), "monitor": "val_loss"},
            "plateau by step": lambda: {
                "scheduler": of.ReduceLROnPlateau(optimizer, patience=0),
                "monitor": "train_loss",
                "interval": "step",
                "strict": False,
            },
        }
        return [optimizer], [schedules[name]() for name in self.extra.get("schedules", ())]

    def groups(self):
        layers = list(self.network.children())
        if not self.extra.get("grouped"):
            return self.parameters()
        return [
            {"params": list(layers[0].parameters()), "lr": 0.1},
            {"params": [one for layer in layers[1:] for one in layer.parameters()], "betas": (0.8, 0.99)},
        ]


class Thaws(Net):
    """Its first layer is learned by the second epoch alone."""

    def on_train_batch_start(self, batch, batch_idx):
        self.network[0].requires_grad_(self.current_epoch == 1)


class ByItself(Net):
    """Steps its schedule, and takes no number of a batch."""

    def training_step(self, batch):
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def lr_scheduler_step(self, scheduler, metric):
        TRACE.append(("network", "lr_scheduler_step"))
        scheduler.step()


class OwnGradients(Net):
    """Propagates in its own way."""

    def backward(self, loss):
        TRACE.append(("network", "backward", self._current_fx_name, float(loss)))
        for one, gradient in zip(self.parameters(), torch.autograd.grad(loss, self.parameters()), strict=True):
            one.grad = 2 * gradient


class Gaps(DataLoader):
    """Its second batch is none."""

    def __iter__(self):
        for number, batch in enumerate(super().__iter__()):
            yield None if number == 1 else batch


for _name in HOOKS:
    setattr(Watching, _name, traced(_name, "callback"))
    setattr(Net, _name, traced(_name, "network"))


class Logger(DummyLogger):
    def log_metrics(self, metrics, step=None):
        TRACE.append(("logger", dict(metrics), step))


CASES = {
    "as it comes": (Net, {}),
    "logs": (lambda: Net(logs=True), {"log_every_n_steps": 2}),
    "schedules": (lambda: Net(logs=True, schedules=["step", "every third", "epoch", "plateau"]), {}),
    "a plateau by step": (lambda: Net(logs=True, schedules=["plateau by step"]), {"log_every_n_steps": 1}),
    "leaves an epoch": (lambda: Net(leaves=4, schedules=["step", "epoch"]), {}),
    "skips": (lambda: Net(skips=True, returns_more=True), {}),
    "clips": (Net, {"gradient_clip_val": 0.1}),
    "adds gradients": (lambda: Net(schedules=["step"]), {"accumulate_grad_batches": 3}),
    "validates within": (lambda: Net(schedules=["plateau"]), {"val_check_interval": 4}),
    "validates by batches": (Net, {"val_check_interval": 7, "check_val_every_n_epoch": None}),
    "fewer batches": (lambda: Net(logs=True), {"limit_train_batches": 5, "limit_val_batches": 1}),
    "no validation": (lambda: Net(logs=True), {"limit_val_batches": 0}),
    "steps": (lambda: Net(schedules=["step"]), {"max_steps": 13}),
    "by itself": (lambda: ByItself(schedules=["step"]), {}),
    "adam, fused": (lambda: Net(adam=True, fused=True), {}),
    "adamw, fused, with schedules": (lambda: Net(fused=True, schedules=["step", "every third"]), {}),
    "adamw, fused, in groups": (lambda: Net(fused=True, grouped=True, schedules=["plateau"]), {}),
    "adam, fused, a layer now and then": (lambda: Thaws(fused=True, adam=True), {}),
    "its own gradients": (lambda: OwnGradients(logs=True), {"gradient_clip_val": 0.1}),
    "a batch that is none": (Net, {}),
}


def train(way, case):
    make, options = CASES[case]
    TRACE.clear()
    pl.seed_everything(3, verbose=False)
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32))
    rows = TensorDataset(values, (values.sum(1) > 0).long() + (values[:, 0] > 1).long())
    kind = Gaps if "none" in case else DataLoader
    module, loaders = make(), (kind(rows, batch_size=8, shuffle=True), DataLoader(rows, batch_size=40))
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            **{"max_epochs": 3, "log_every_n_steps": 3, **options},
            accelerator="cpu",
            logger=Logger(),
            callbacks=[Watching()],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            default_root_dir=folder,
        )
        if way == "lean":
            from lepton_nb.training.trainer.lean import make_lean

            make_lean(pl, module, trainer)
        trainer.fit(module, *loaders)
    weights = hashlib.sha256(b"".join(one.numpy().tobytes() for one in module.state_dict().values())).hexdigest()
    return {"trace": list(TRACE), "counts": trainer.fit_loop.state_dict(), "weights": weights}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({case: train(sys.argv[1], case) for case in CASES}))
