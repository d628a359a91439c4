"""How good the networks of the zoo are as they come: ours against a strong reference, on the same rows, seed by seed.

python tests/benchmarks/bench_models.py [--case adult_vs_hgb]... [--seeds 5] [--json]

Each case trains both sides once per seed, in turn, and scores them on rows that neither has seen. What is printed is
the mean and the standard deviation over the seeds; `ratio` is ours / peer, of scores where more is better. Of options
none is given but those that a user has to choose: they were chosen on rows of training or validation.

adult_vs_hgb: UCI Adult, the published split (skipped where its files are not beside the project); accuracy on the test
file. Ours holds a tenth of the training file back as validation; scikit-learn's HistGradientBoosting, which knows which
columns are categories, holds a tenth of it back itself.
digits: scikit-learn's digits, 20 % of them for the test, another draw with each seed; the CNN against a support vector
machine with a Gaussian kernel (gamma 0.001, as scikit-learn's own example has it).
sms_vs_tfidf: F1 of spam, see models_text. forecast_vs_ridge, forecast_vs_naive, anomaly_vs_iforest, transfer_20: see
models_others; the score of a forecast is 1 / its mean absolute error.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from models_others import anomaly_vs_iforest, forecast_vs_naive, forecast_vs_ridge, transfer_20
from models_text import sms_vs_tfidf

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"


class SkippedError(Exception):
    """Why a case cannot be run here."""


def adult_vs_hgb(seed: int) -> tuple[float, float]:
    """Accuracy on the test file of Adult, ours and that of HistGradientBoosting."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    import lepton_nb

    files = [SHARED / "adult-train.csv", SHARED / "adult-test.csv"]
    if not all(path.is_file() for path in files):
        raise SkippedError(f"there is no Adult in {SHARED}")
    # The test part of the training file is as small as it can be: the test is another file.
    data = lepton_nb.data_load(str(files[0]), target="income", seed=seed, test_size=1e-4)
    run = lepton_nb.train("mlp", data=data, seed=seed, epochs=15, batch_size=256, lr=2e-3, net=("embedding=piecewise",))
    train, test = (pd.read_csv(path, na_values="?", skipinitialspace=True) for path in files)
    truth = test.pop("income").str.strip(" .")
    told = lepton_nb.predict(lepton_nb.package(run), data=test).frame()["label"]

    labels, columns = train.pop("income").str.strip(" ."), train.select_dtypes(exclude="number").columns
    kinds = {name: pd.CategoricalDtype(sorted(train[name].dropna().unique())) for name in columns}
    peer = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    peer.fit(train.astype(kinds), labels)
    return float((told.to_numpy() == truth.to_numpy()).mean()), float(peer.score(test.astype(kinds), truth))


def digits(seed: int) -> tuple[float, float]:
    """Accuracy on a fifth of the digits, of the CNN and of a support vector machine."""
    from sklearn.svm import SVC

    import lepton_nb

    data = lepton_nb.data_load("digits", seed=seed)
    run = lepton_nb.train("cnn", data=data, seed=seed)
    ours = lepton_nb.evaluate(run).metrics["accuracy"]
    parts = [lepton_nb.read_data(data, part) for part in ("train", "validation", "test")]
    rows = [next(iter(inputs.values())).reshape(len(targets), -1) for inputs, targets in parts]
    peer = SVC(gamma=0.001).fit(np.concatenate(rows[:2]), np.concatenate([targets for _, targets in parts[:2]]))
    return float(ours), float(peer.score(rows[2], parts[2][1]))


# Name: what gives both scores for a seed, and their unit.
CASES: dict[str, tuple[Callable[[int], tuple[float, float]], str]] = {
    "adult_vs_hgb": (adult_vs_hgb, "accuracy"),
    "digits": (digits, "accuracy"),
    "sms_vs_tfidf": (sms_vs_tfidf, "F1 of spam"),
    "forecast_vs_ridge": (forecast_vs_ridge, "1 / degree"),
    "forecast_vs_naive": (forecast_vs_naive, "1 / degree"),
    "anomaly_vs_iforest": (anomaly_vs_iforest, "area under the ROC curve"),
    "transfer_20": (transfer_20, "accuracy"),
}


def compared(case: str, seeds: int) -> dict[str, Any]:
    """Both scores of a case over its seeds."""
    score, unit = CASES[case]
    scores_by_seed = []
    for seed in range(seeds):
        scores_by_seed.append(score(seed))
        print(f"{case} seed {seed}: ours {scores_by_seed[-1][0]:.4f}, peer {scores_by_seed[-1][1]:.4f}", flush=True)
    mine, theirs = zip(*scores_by_seed, strict=True)
    found: list[tuple[float, float]] = []
    for name, scores in (("ours", mine), ("peer", theirs)):
        spread = statistics.stdev(scores) if seeds > 1 else 0.0
        found.append((statistics.fmean(scores), spread))
        print(
            f"{case} {name}: {unit} {found[-1][0]:.4f} +- {spread:.4f}", [round(one, 4) for one in scores], flush=True
        )
    (own, own_spread), (other, other_spread) = found
    return {
        "case": case,
        "ours": round(own, 4),
        "peer": round(other, 4),
        "unit": unit,
        "ratio": round(own / other, 4),
        "runs": seeds,
        "spread": [round(own_spread, 4), round(other_spread, 4)],
    }


def main() -> None:
    """Run the cases, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append", help="repeatable; all by default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cases = []
    with tempfile.TemporaryDirectory(prefix="lepton-bench-models-") as folder:
        os.environ["LEPTON_HOME"] = folder
        for case in given.case or CASES:
            try:
                cases.append(compared(case, given.seeds))
            except (SkippedError, FileNotFoundError) as why:
                print(f"{case}: skipped, {why}")
    for one in cases:
        print(f"{one['case']}: ours {one['ours']}, peer {one['peer']} {one['unit']}, ratio {one['ratio']}")
    if given.json:
        print(json.dumps({"name": "models", "cases": cases}))


if __name__ == "__main__":
    main()
