"""What transfer learning gains where labels are few: digits 5 to 9 with 20 labels a class, after digits 0 to 4.

One network learns the digits 0 to 4 from all of their images. Then two learn the digits 5 to 9 from the same 100 images
with the same number of steps (5 an epoch): `peer` begins with random weights, `ours` with those of the first (its
last layer is new). Scores are accuracies on all other images of these digits, after 20 steps. With ever more steps the
two come together: after 120 both read 97 of 100 digits of this size.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import lepton_nb

LABELS, EPOCHS, BATCH = 20, 4, 20


def digits(low: int, high: int) -> tuple[Any, Any]:
    """Images float32 [N, 1, 8, 8] of 0 to 1, and classes int64 [N] from 0 on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    where = np.flatnonzero((found.target >= low) & (found.target < high))
    return (found.images[where][:, None] / 16).astype(np.float32), found.target[where] - low


def dataset(images: Any, classes: Any) -> Any:
    import torch
    from torch.utils.data import TensorDataset

    return TensorDataset(torch.from_numpy(images), torch.from_numpy(classes))


def transfer_20(seed: int, epochs: int = EPOCHS) -> tuple[float, float]:
    """Accuracy after transfer, and from scratch, with one choice of the 20 images a class."""
    import torch

    images, classes = digits(5, 10)
    drawn = np.random.default_rng(seed)
    few = np.concatenate([drawn.permutation(np.flatnonzero(classes == one))[:LABELS] for one in range(5)])
    rest = np.setdiff1d(np.arange(len(classes)), few)
    back, found = Path.cwd(), []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").touch()
        os.chdir(folder)
        try:
            before = lepton_nb.train("cnn", data=dataset(*digits(0, 5)), epochs=10, seed=seed)
            for start in (before, None):
                target = dataset(images[few], classes[few])
                run = lepton_nb.train(
                    "cnn", data=target, epochs=epochs, batch_size=BATCH, seed=seed, patience=0, start_from=start
                )
                with torch.no_grad():
                    said = lepton_nb.load_model(run)(torch.from_numpy(images[rest])).argmax(1).numpy()
                found.append(float((said == classes[rest]).mean()))
        finally:
            os.chdir(back)
    return found[0], found[1]
