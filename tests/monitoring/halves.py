"""A model that is none."""

import numpy as np


class Halves:
    """Stands for a loaded model: what is looked at here is the log, not the answer."""

    def __init__(self, signature):
        self.signature = signature

    def warm_up(self, rows=1):
        pass

    def predict(self, inputs):
        rows = len(next(iter(inputs.values())))
        return np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)[np.arange(rows) % 2]
