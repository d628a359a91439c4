"""A network that a study can tune, wait for and break, and a search space that is a function."""

import dataclasses
import time

from networks import Plain

from lepton_nb import training

SPACE = "lr=log(1e-3,1e-1) hidden=[4,8,16]"
FIT = training.Fit(epochs=3, batch_size=32, seed=0, patience=0, accelerator="cpu")


class Tried(Plain):
    """Takes its time, or fails, as it is told."""

    def __init__(self, in_features=4, num_classes=3, lr=0.05, wait=0.0, breaks=False, epochs=0):
        super().__init__(in_features, num_classes, lr)
        self.wait, self.breaks, self.given = wait, breaks, epochs

    def training_step(self, batch, index):
        time.sleep(self.wait)
        loss = super().training_step(batch, index)
        if self.breaks:
            raise RuntimeError("broken <b>on purpose</b>")
        return loss


def halves(trial):
    """A space as a notebook writes one."""
    return {"lr": trial.suggest_float("rate", 0.01, 0.1, log=True), "batch_size": trial.suggest_int("half", 8, 16) * 2}


def nothing(trial):
    return {}


def unknown(trial):
    return {"dropuot": trial.suggest_float("dropuot", 0.0, 1.0)}


FIRST = 0


def late(trial):
    """A space that fails from the second trial on."""
    rate = trial.suggest_float("lr", 0.01, 0.1)
    if trial.number != FIRST:
        raise ZeroDivisionError("too\nlate")
    return {"lr": rate}


def tune(ws, net, rows, fit, space, **words):
    """A study from words, as the verb has them."""
    method = {one.name: words.pop(one.name) for one in dataclasses.fields(training.Method) if one.name in words}
    return training.tune(ws, net, rows, fit, space, training.Method(**method), **words)
