"""How well accuracy is estimated without labels: ours against NannyML's CBPE, on the same rows of shifted populations.

python tests/benchmarks/bench_quality.py [--case adult_bayes] [--runs 3] [--json]

A model is trained and answers held-out rows, whose truth calibrates both sides; then it answers chunks of 500 rows in
which the population moves, from as it was to almost only the other part. What is compared is the mean over the chunks
of the absolute error of the estimated accuracy, in points of a hundred, and the seconds from arrays in memory to the
estimates of all chunks (without imports; ours with its intervals, 50 resamplings for each chunk). NannyML runs in
`.lepton/bench/nannyml`, which is made when it is not there; the sides alternate. `ratio`: how many times smaller our
error or time is. `as_before`, printed only, is what assuming the held-out accuracy everywhere would cost.

adult_bayes, adult_boosted, adult_linear: UCI Adult (skipped where its files are not beside the project), naive Bayes
(far from calibrated), gradient boosting and logistic regression; the share of people with a degree grows.
four_classes: rows of four Gaussian classes that overlap, a network; ever more of them lie in the middle.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lepton_nb.scores import Tally, count_confidence, expected_accuracy

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / ".lepton" / "bench" / "nannyml"
ADULT = ROOT.parent / "shared" / "data"
# It imports statsmodels and does not ask for it.
PEER = ("nannyml==0.13.1", "pandas<3", "pyarrow", "statsmodels")
_CHUNKS, _ROWS = 20, 500

_Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


class SkippedError(Exception):
    """Why a case cannot be run here."""


def adult(kind: str) -> tuple[_Rows, list[_Rows]]:
    """Adult: the reference, and chunks with ever more people who have a degree."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    files = [ADULT / "adult-train.csv", ADULT / "adult-test.csv"]
    if not all(path.is_file() for path in files):
        raise SkippedError(f"there is no Adult in {ADULT}")
    frame = pd.concat([pd.read_csv(path) for path in files], ignore_index=True)
    frame = frame.sample(frac=1.0, random_state=0).reset_index(drop=True)
    y = frame.pop("income").str.strip(" .").eq(">50K").astype(int).to_numpy()
    degree = frame["education"].str.strip().isin(["Bachelors", "Masters", "Doctorate", "Prof-school"]).to_numpy()
    texts = [name for name in frame if frame[name].dtype.kind not in "if"]
    numbers = [name for name in frame if name not in texts]
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=20), texts),
        (StandardScaler(), numbers),
    )
    models = {
        "bayes": GaussianNB(),
        "boosted": HistGradientBoostingClassifier(random_state=0),
        "linear": LogisticRegression(max_iter=500),
    }
    model = make_pipeline(encode, models[kind]).fit(frame[:12_000], y[:12_000])
    p = model.predict_proba(frame)
    rng, rest = np.random.default_rng(0), np.arange(22_000, len(y))
    with_degree, others = rest[degree[rest]], rest[~degree[rest]]
    chunks = []
    for share in np.linspace(0.2, 0.98, _CHUNKS):
        many = rng.binomial(_ROWS, share)
        chosen = np.concatenate([rng.choice(with_degree, many), rng.choice(others, _ROWS - many)])
        chunks.append((p[chosen], y[chosen]))
    return (p[12_000:22_000], y[12_000:22_000]), chunks


def four_classes() -> tuple[_Rows, list[_Rows]]:
    """Four Gaussian classes: the reference, and chunks with ever more rows between them."""
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 60_000)
    angles = np.pi / 2 * y
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 1.6 + rng.normal(size=(len(y), 2))
    model = MLPClassifier((64, 64), max_iter=60, random_state=0).fit(x[:3000], y[:3000])
    p = model.predict_proba(x)
    middle = np.linalg.norm(x, axis=1) < 1.2
    rest = np.arange(13_000, len(y))
    near, far = rest[middle[rest]], rest[~middle[rest]]
    chunks = []
    for share in np.linspace(0.3, 0.98, _CHUNKS):
        many = rng.binomial(_ROWS, share)
        chosen = np.concatenate([rng.choice(near, many), rng.choice(far, _ROWS - many)])
        chunks.append((p[chosen], y[chosen]))
    return (p[3000:13_000], y[3000:13_000]), chunks


def ours(reference: _Rows, chunks: list[_Rows]) -> tuple[list[float], float, int]:
    """The estimates, the seconds, and how many intervals hold the true accuracy."""
    began = time.perf_counter()
    known = Tally.of(*reference).confidence
    found = [expected_accuracy(count_confidence(p), known) for p, _ in chunks]
    seconds = time.perf_counter() - began
    told = [one for one in found if one is not None]
    inside = sum(one.low <= truth <= one.high for one, truth in zip(told, true_accuracy(chunks), strict=True))
    return [one.value for one in told], seconds, inside


def peer(reference: _Rows, chunks: list[_Rows], folder: Path) -> tuple[list[float], float]:
    """NannyML's estimates and seconds."""
    for name, parts in (("reference", [reference]), ("current", chunks)):
        frames = []
        for place, (p, y) in enumerate(parts):
            frame = pd.DataFrame(p, columns=[f"p{number}" for number in range(p.shape[1])])
            frames.append(frame.assign(y=y, chunk=place))
        pd.concat(frames, ignore_index=True).to_parquet(folder / f"{name}.parquet")
    done = subprocess.run([python(), HERE / "quality_peer.py", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"NannyML failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    return told["accuracy"], told["seconds"]


def python() -> Path:
    """The Python of NannyML's environment, which is made when it is not there."""
    found = ENVIRONMENT / "bin" / "python"
    if not found.exists() or subprocess.run([found, "-c", "import nannyml"], capture_output=True).returncode:
        print(f"making {ENVIRONMENT}", flush=True)
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([found, "-m", "pip", "install", "-q", *PEER], check=True)
    return found


def true_accuracy(chunks: list[_Rows]) -> list[float]:
    return [float((p.argmax(axis=1) == y).mean()) for p, y in chunks]


def compared(case: str, make: Callable[[], tuple[_Rows, list[_Rows]]], runs: int) -> list[dict[str, Any]]:
    """One case: errors, and seconds of several runs that alternate."""
    reference, chunks = make()
    truth = np.array(true_accuracy(chunks))
    mine: list[float] = []
    theirs: list[float] = []
    ours(reference, chunks)
    with tempfile.TemporaryDirectory(prefix="lepton-bench-quality-") as folder:
        for _ in range(runs):
            found, seconds, inside = ours(reference, chunks)
            mine.append(seconds)
            other, seconds = peer(reference, chunks, Path(folder))
            theirs.append(seconds)
    errors = [100 * float(np.abs(np.array(one) - truth).mean()) for one in (found, other)]
    before = float((reference[0].argmax(axis=1) == reference[1]).mean())
    print(f"{case}: accuracy {before:.3f} held out, {truth[0]:.3f} to {truth[-1]:.3f} over {len(chunks)} chunks")
    print(
        f"  mean absolute error in points: ours {errors[0]:.2f}, NannyML {errors[1]:.2f}, as_before "
        f"{100 * float(np.abs(before - truth).mean()):.2f}; {inside} of {len(chunks)} intervals hold the truth"
    )
    took = statistics.median(mine), statistics.median(theirs)
    print(f"  seconds: ours {took[0]:.3f}, NannyML {took[1]:.3f}: {took[1] / took[0]:.1f} times faster", flush=True)
    return [entry(f"{case}_error", *errors, "points", 1), entry(f"{case}_seconds", *took, "s", runs)]


def entry(case: str, own: float, other: float, unit: str, runs: int) -> dict[str, Any]:
    return {
        "case": case,
        "ours": round(own, 4),
        "peer": round(other, 4),
        "unit": unit,
        "ratio": round(other / own, 3),
        "runs": runs,
    }


CASES: dict[str, Callable[[], tuple[_Rows, list[_Rows]]]] = {
    "adult_bayes": lambda: adult("bayes"),
    "adult_boosted": lambda: adult("boosted"),
    "adult_linear": lambda: adult("linear"),
    "four_classes": four_classes,
}


def main() -> None:
    """Run the cases, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    for case in [options.case] if options.case else CASES:
        try:
            found += compared(case, CASES[case], options.runs)
        except SkippedError as cause:
            print(f"{case}: skipped, {cause}", flush=True)
    if options.json:
        print(json.dumps({"name": "quality", "cases": found}))


if __name__ == "__main__":
    main()
