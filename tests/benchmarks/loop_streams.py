"""The streams of bench_loop.py: rows of one concept, then of another.

SEA, Agrawal and Hyperplane are river's generators (BSD-3-Clause), which only tests and benchmarks need. Adult lies
outside the repository, in the folder `shared/data` beside it, and changes its population: first those who are not
married, then those who are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
ADULT = ROOT.parent / "shared" / "data"
NAMES = ("sea", "agrawal", "hyperplane", "adult")


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


def stream(name: str, requests: int, *, share: float = 0.3, train: int = 6000) -> Stream:
    """A stream of so many requests, the change behind that share of them.

    Raises:
        SkippedError: river or Adult is not there.
    """
    onset = int(requests * share)
    first, second = _adult() if name == "adult" else _river(name, max(onset, requests - onset) + train)
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


def _river(name: str, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    first, second = (_drawn(concept(17 + number), rows) for number, concept in enumerate(_concepts()[name]))
    return first, second


def _concepts() -> dict[str, list[Callable[[int], Iterable[Any]]]]:
    """Two concepts of each generator, made of a seed; labels of 2 % of SEA's rows are wrong, as those of life are."""
    try:
        from river.datasets import synth
    except ImportError as cause:
        raise SkippedError("river is not there; next: pip install river") from cause

    def plane(weights: int) -> Iterable[Any]:
        # The seed of a hyperplane is that of its weights, too.
        return synth.Hyperplane(seed=weights, n_features=10, noise_percentage=0.02, mag_change=0.0)

    return {
        "sea": [lambda seed, kind=kind: synth.SEA(variant=kind, noise=0.02, seed=seed) for kind in (2, 3)],
        "agrawal": [lambda seed, kind=kind: synth.Agrawal(classification_function=kind, seed=seed) for kind in (0, 2)],
        "hyperplane": [lambda seed, weights=weights: plane(weights) for weights in (3, 4)],
    }


def _drawn(concept: Iterable[Any], rows: int) -> pd.DataFrame:
    drawn = list(itertools.islice(iter(concept), rows))
    frame = pd.DataFrame([row for row, _ in drawn])
    frame.columns = [name if isinstance(name, str) else f"x{name}" for name in frame]
    # Codes are names of things, whatever numbers stand for them.
    for name in {"elevel", "car", "zipcode"} & set(frame):
        frame[name] = [f"c{value}" for value in frame[name]]
    return frame.assign(truth=["yes" if right else "no" for _, right in drawn])
