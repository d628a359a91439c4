"""What a watch was asked to do, and how that is kept beside what it decided."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ..errors import NotFoundError, UsageError

__all__ = ["DATA", "TARGET", "WatchOptions", "Words", "calls", "check_pipeline"]

# Parameters that the pipeline is given; it must have the first.
DATA, TARGET = "data", "target"
_PASSED = (DATA, TARGET, "name", "seed")


@dataclass(frozen=True)
class WatchOptions:
    """How a deployment is watched.

    Args:
        pipeline: the file that retrains; empty for alerts only.
        when: the rule that starts a retraining, once it holds in two windows in a row, of traffic or of labels.
        every: seconds between two looks.
        ask: whether a person decides what the gate has let through.
        gate: the file of the gate; empty for the one that is built in.
        trusted: id of a data set that the challenger must not be worse on; empty for none.
        window: labelled rows that one look at the quality takes.
        labels: labelled rows that a retraining waits for.
        shadow: rows that the challenger answers unseen before it is shown to anybody.
        canary: share of the keys that it answers then; 0 leaves this out.
        canary_rows: rows that it answers so.
        guard: seconds that it is watched after its promotion.
        patience: seconds that it has for its rows, unseen and then for some; one that comes by too few is withdrawn.
    """

    pipeline: str = ""
    when: str = "drifting or decaying"
    every: float = 600.0
    ask: bool = False
    gate: str = ""
    trusted: str = ""
    window: int = 500
    labels: int = 2000
    shadow: int = 500
    canary: float = 0.1
    canary_rows: int = 200
    guard: float = 1800.0
    patience: float = 24 * 3600.0

    def check(self) -> None:
        """Refuse what cannot be; the rule is looked at where its names are known.

        Raises:
            UsageError: an option makes no sense, or the pipeline cannot be given the rows.
            NotFoundError: the pipeline or the gate is not there.
            PipelineError: the pipeline's file is wrong.
        """
        for name, least in (("window", 20), ("labels", 50), ("shadow", 0), ("canary_rows", 1)):
            if (value := getattr(self, name)) < least:
                raise UsageError(f"{name.replace('_', ' ')} {value} is too few rows", expected=f"at least {least}")
        for name in ("every", "guard", "patience"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise UsageError(f"{name} {value} is no length of time", expected="more than 0 seconds")
        if not 0 <= self.canary <= 1:
            raise UsageError(f"canary {self.canary} is no share", expected="0 to 1")
        if self.pipeline:
            check_pipeline(Path(self.pipeline))
        if self.gate:
            from .gate import Gate

            Gate.read(Path(self.gate))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> WatchOptions:
        """The options of a JSON object; what this version does not know is left out."""
        known = {one.name for one in dataclasses.fields(cls)}
        return cls(**{name: given for name, given in value.items() if name in known})


class Words(TypedDict, total=False):
    """The fields of `WatchOptions`, as keyword arguments."""

    pipeline: str
    when: str
    every: float
    ask: bool
    gate: str
    trusted: str
    window: int
    labels: int
    shadow: int
    canary: float
    canary_rows: int
    guard: float
    patience: float


def calls(rule: str) -> bool:
    """Whether a rule calls a function."""
    return "(" in rule


def check_pipeline(path: Path) -> tuple[str, ...]:
    """The parameters that a retraining pipeline can be given.

    Raises:
        NotFoundError: the file is not there.
        PipelineError: the file is wrong.
        UsageError: it has no parameter for the rows.
    """
    from .. import pipelines

    if not path.is_file():
        raise NotFoundError(
            f"{path} does not exist", expected="a pipeline that retrains", hint="lepton pipeline new retrain --retrain"
        )
    declared = pipelines.load(path).parameters
    if DATA not in declared:
        raise UsageError(
            f"{path} takes no parameter {DATA!r}, so that it cannot be given the rows",
            expected=f"{DATA} (a Parquet file), and if it wants {', '.join(_PASSED[1:])}",
            hint=f"parameters: {{{DATA}: null, {TARGET}: null}}",
        )
    return tuple(name for name in _PASSED if name in declared)
