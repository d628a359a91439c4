"""The streams of bench_loop.py: rows of one concept, then of another.

SEA, Agrawal and Hyperplane are river's generators (BSD-3-Clause), which run in an environment of their own,
`.lepton/bench/loop`, and leave Parquet files: river is no dependency of ours. Adult lies outside the repository, in the
folder `shared/data` beside it, and changes its population: first those who never married, then those who are.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".lepton" / "bench" / "loop"
ADULT = ROOT.parent / "shared" / "data"
NAMES = ("sea", "agrawal", "hyperplane", "adult")
# Two concepts per generator. Labels of 2 % of SEA's rows are wrong, as those of life are.
_MAKE = """
import itertools, sys
import pyarrow as pa, pyarrow.parquet as pq
from river.datasets import synth
name, rows, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
concepts = {
    "sea": [lambda s: synth.SEA(variant=2, noise=0.02, seed=s), lambda s: synth.SEA(variant=3, noise=0.02, seed=s)],
    "agrawal": [lambda s, f=f: synth.Agrawal(classification_function=f, seed=s) for f in (0, 2)],
    # The seed of a hyperplane is that of its weights, too.
    "hyperplane": [
        lambda s, seed=seed: synth.Hyperplane(seed=seed, n_features=10, noise_percentage=0.02, mag_change=0.0)
        for seed in (3, 4)
    ],
}[name]
for number, concept in enumerate(concepts):
    drawn = list(itertools.islice(iter(concept(17 + number)), rows))
    columns = {str(key) if isinstance(key, str) else f"x{key}": [x[key] for x, _ in drawn] for key in drawn[0][0]}
    # Codes are names of things, whatever numbers stand for them.
    for key in {"elevel", "car", "zipcode"} & columns.keys():
        columns[key] = [f"c{value}" for value in columns[key]]
    columns["truth"] = ["yes" if y else "no" for _, y in drawn]
    pq.write_table(pa.table(columns), f"{out}/{name}-{number}.parquet")
"""


class SkippedError(Exception):
    """A stream that cannot be made here, and what would make it."""


@dataclass(frozen=True)
class Stream:
    """A stream whose concept changes once.

    Args:
        name: of the stream.
        train: rows of the first concept that the first model learns from, with the column `truth`.
        before: rows of the first concept, as they are asked.
        after: rows of the second one.
        fresh: other rows of the second one, as many as `train`: what could be learnt if all were known.
    """

    name: str
    train: pd.DataFrame
    before: pd.DataFrame
    after: pd.DataFrame
    fresh: pd.DataFrame


def stream(name: str, folder: Path, requests: int, *, share: float = 0.3, train: int = 6000) -> Stream:
    """A stream of so many requests, the change behind that share of them.

    Raises:
        SkippedError: river cannot be installed here, or Adult is not there.
    """
    onset = int(requests * share)
    first, second = _adult() if name == "adult" else _river(name, folder, max(onset, requests - onset) + train)
    train = min(train, len(first) // 2, len(second) // 2)
    # Adult has fewer rows than a long stream asks: they come again, in another order each time.
    before, after = _rows(first[train:], onset), _rows(second[train:], requests - onset)
    return Stream(name, first[:train], before, after, second[:train])


def _rows(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    turns = [rng.permutation(len(frame)) for _ in range(-(-count // len(frame)))]
    return frame.iloc[np.concatenate(turns)[:count]].reset_index(drop=True)


def _adult() -> tuple[pd.DataFrame, pd.DataFrame]:
    files = [ADULT / "adult-train.csv", ADULT / "adult-test.csv"]
    if not all(path.is_file() for path in files):
        raise SkippedError(f"{files[0]} is not there")
    frame = pd.concat([pd.read_csv(path) for path in files], ignore_index=True)
    frame["truth"] = frame.pop("income").str.strip(" .")
    frame = frame.sample(frac=1.0, random_state=0).dropna().reset_index(drop=True)
    married = frame["marital_status"].str.startswith("Married")
    # Who is married is what the population is chosen by: it would be a constant in either.
    frame = frame.drop(columns=["marital_status", "relationship"])
    return frame[~married].reset_index(drop=True), frame[married].reset_index(drop=True)


def _river(name: str, folder: Path, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(_python()), "-c", _MAKE, name, str(rows), str(folder)], check=True)
    first, second = (pd.read_parquet(folder / f"{name}-{number}.parquet") for number in range(2))
    return first, second


def _python() -> Path:
    """The Python of river's environment, made when it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        if subprocess.run([python, "-c", "import river, pyarrow"], capture_output=True).returncode:
            quiet = ("-qq", "--disable-pip-version-check")
            subprocess.run([python, "-m", "pip", "install", *quiet, "river>=0.25", "pyarrow"], check=True)
    except subprocess.CalledProcessError as cause:
        raise SkippedError(f"river could not be installed; next: {python} -m pip install river pyarrow") from cause
    return python
