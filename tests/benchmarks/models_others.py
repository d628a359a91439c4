"""Cases of bench_models: forecasts, anomalies, transfer learning. Each gives the scores of both sides for a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lepton_nb

__all__ = ["anomaly_vs_iforest", "forecast_vs_naive", "forecast_vs_ridge", "transfer_20"]

TEMPERATURES = Path(__file__).parents[3] / "shared" / "data" / "daily-min-temperatures.csv"
_AHEAD, _BACK, _TWO_YEARS = 7, 28, 730
_LABELS, _EPOCHS, _BATCH = 20, 4, 20


def forecast_vs_ridge(seed: int) -> tuple[float, float]:
    """Daily minimum temperatures, 7 days ahead, the last two years as test: 1 / mean absolute error (1 / degree).

    The peer is a ridge on the same 28 lags, its penalty chosen by cross-validation in the order of time.
    """
    ours, (_, targets), lags, history = _forecast(seed)
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import TimeSeriesSplit

    ridge = RidgeCV(np.logspace(-2, 4, 13), cv=TimeSeriesSplit(5), scoring="neg_mean_absolute_error")
    told = ridge.fit(*history).predict(lags)
    return ours, float(1 / np.abs(told - targets).mean())


def forecast_vs_naive(seed: int) -> tuple[float, float]:
    """As `forecast_vs_ridge`, against the temperatures of the same days of the week before."""
    ours, (_, targets), lags, _ = _forecast(seed)
    return ours, float(1 / np.abs(lags[:, -_AHEAD:] - targets).mean())


def _forecast(seed: int) -> tuple[float, tuple[Any, Any], NDArray[Any], tuple[NDArray[Any], NDArray[Any]]]:
    if not TEMPERATURES.is_file():
        raise FileNotFoundError(f"there is no {TEMPERATURES.name} in {TEMPERATURES.parent}")
    data = lepton_nb.data_load(
        TEMPERATURES, target="Temp", time_column="Date", horizon=_AHEAD, history=_BACK, test_size=_TWO_YEARS / 3541
    )
    run = lepton_nb.train("forecaster", data=data, epochs=20, seed=seed)
    parts = {part: lepton_nb.read_data(data, part) for part in ("train", "validation", "test")}

    def lags(part: str) -> NDArray[Any]:
        inputs = parts[part][0]
        return np.stack([inputs[f"Temp_lag_{lag}"] for lag in range(_BACK - 1, -1, -1)], axis=1)

    known = [
        np.concatenate(found)
        for found in ((lags("train"), lags("validation")), (parts["train"][1], parts["validation"][1]))
    ]
    error = lepton_nb.evaluate(run).metrics["mae"]
    return 1 / error, parts["test"], lags("test"), (known[0], known[1])


def anomaly_vs_iforest(seed: int) -> tuple[float, float]:
    """Digits with one class left out of training, which is then to be told from the others: area under the ROC curve.

    The class is the seed modulo 10; both sides learn from the same images of the others.
    """
    from sklearn.datasets import load_digits
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    found = load_digits()
    labels = np.where(found.target == seed % 10, "other", "usual")
    data = lepton_nb.data_load((found.images[:, None].astype(np.float32), labels), seed=seed)
    run = lepton_nb.train("autoencoder", data=data, epochs=60, seed=seed)
    ours = lepton_nb.evaluate(run).metrics["roc_auc"]
    (images, told), (unseen, truth) = (lepton_nb.read_data(data, part) for part in ("train", "test"))
    usual, other = data.classes.index("usual"), data.classes.index("other")
    forest = IsolationForest(random_state=seed).fit(images["input"][told == usual].reshape(-1, 64))
    score = -forest.score_samples(unseen["input"].reshape(-1, 64))
    return float(ours), float(roc_auc_score(truth == other, score))


def transfer_20(seed: int) -> tuple[float, float]:
    """Digits 5 to 9 with 20 labels a class: accuracy on all their other images after 20 steps.

    Ours begins with the weights of a network that learned the digits 0 to 4, with a new last layer; the peer is the
    same network from scratch, with as many steps. With ever more steps both come together: after 120 both
    read 97 of 100.
    """
    import torch

    images, classes = _digits(5, 10)
    drawn = np.random.default_rng(seed)
    few = np.concatenate([drawn.permutation(np.flatnonzero(classes == one))[:_LABELS] for one in range(5)])
    rest = np.setdiff1d(np.arange(len(classes)), few)
    before = lepton_nb.train("cnn", data=_dataset(*_digits(0, 5)), epochs=10, seed=seed)
    found = []
    for start in (before, None):
        target = _dataset(images[few], classes[few])
        run = lepton_nb.train(
            "cnn", data=target, epochs=_EPOCHS, batch_size=_BATCH, seed=seed, patience=0, start_from=start
        )
        with torch.no_grad():
            said = lepton_nb.load_model(run)(torch.from_numpy(images[rest])).argmax(1).numpy()
        found.append(float((said == classes[rest]).mean()))
    return found[0], found[1]


def _digits(low: int, high: int) -> tuple[Any, Any]:
    """Images float32 [N, 1, 8, 8] of 0 to 1, and classes int64 [N] from 0 on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    where = np.flatnonzero((found.target >= low) & (found.target < high))
    return (found.images[where][:, None] / 16).astype(np.float32), found.target[where] - low


def _dataset(images: Any, classes: Any) -> Any:
    import torch
    from torch.utils.data import TensorDataset

    return TensorDataset(torch.from_numpy(images), torch.from_numpy(classes))
