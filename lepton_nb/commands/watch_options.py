"""The options of `lepton watch`, each with its help, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..errors import UsageError
from ..workspace import Workspace
from .declare import Opt
from .find import data_of
from .monitor import seconds_of
from .serve import share_of

__all__ = [
    "Alerts",
    "Approve",
    "Ask",
    "Auto",
    "Canary",
    "CanaryRows",
    "Detach",
    "Every",
    "Gate",
    "Guard",
    "Labels",
    "LogUrl",
    "Patience",
    "Pipeline",
    "Refuse",
    "Shadow",
    "Status",
    "Trusted",
    "When",
    "Why",
    "Window",
    "refuse_two",
    "words_of",
]

Pipeline = Annotated[Path | None, Opt("Retrains, a .yml file; without one only alerts are told.", "FILE")]
When = Annotated[str, Opt("Rule that starts a retraining.", "RULE")]
Every = Annotated[str, Opt("Time between two looks, such as 30s, 10m, 1h.", "TIME")]
Auto = Annotated[bool, Opt("Promote what the gate lets through (the default).")]
Ask = Annotated[bool, Opt("Wait for a person's --approve before anybody is answered by a new model.")]
Gate = Annotated[Path | None, Opt("Conditions of a promotion, a .yml file.", "FILE")]
Trusted = Annotated[object, Opt("Rows on which a new model must not be worse.", "DATA", completes="data")]
Window = Annotated[int, Opt("Labelled rows that one look at the quality takes.", "ROWS")]
Labels = Annotated[int, Opt("Labelled rows that a retraining waits for.", "ROWS")]
Shadow = Annotated[int, Opt("Rows that a new model answers unseen first; 0 leaves this out.", "ROWS")]
Canary = Annotated[str, Opt("Share of the keys that it answers then; 0 leaves this out.", "SHARE")]
CanaryRows = Annotated[int, Opt("Rows that it answers so.", "ROWS")]
Guard = Annotated[str, Opt("Time that it is watched behind its promotion.", "TIME")]
Patience = Annotated[str, Opt("Time that it has for its rows in each of both; behind it, it is withdrawn.", "TIME")]
Alerts = Annotated[Path | None, Opt("Take the alerts from this YAML file from now on.", "FILE")]
LogUrl = Annotated[str | None, Opt("It runs elsewhere and copies its log there; to be named once.", "URL")]
Detach = Annotated[bool, Opt("Return at once; the watch goes on.")]
Status = Annotated[bool, Opt("Show what was decided, and change nothing; of all watches without a name.")]
Approve = Annotated[bool, Opt("Answer a watch that asks: yes.")]
Refuse = Annotated[bool, Opt("Answer a watch that asks: no.")]
Why = Annotated[str, Opt("Reason of the answer, for the record.", "TEXT")]

_AS_THEY_ARE = ("when", "ask", "window", "labels", "shadow", "canary_rows")


def words_of(ws: Workspace, given: dict[str, Any]) -> dict[str, Any]:
    """The options of a watch from the words of the verb.

    Raises:
        UsageError: a time or a share is none.
    """
    words = {name: given[name] for name in _AS_THEY_ARE}
    words |= {name: seconds_of(given[name]) or 0.0 for name in ("every", "guard", "patience")}
    # A watch works in the project's folder, whatever folder it was begun from.
    files = {name: given[name] for name in ("pipeline", "gate")}
    words |= {name: str(Path(path).expanduser().resolve()) for name, path in files.items() if path is not None}
    words["canary"] = share_of(given["canary"]) if given["canary"].strip("0.%") else 0.0
    return words | ({} if given["trusted"] is None else {"trusted": data_of(ws, given["trusted"]).id})


def refuse_two(given: dict[str, Any], *names: str) -> None:
    """Refuse flags that exclude each other.

    Raises:
        UsageError: more than one was given.
    """
    if len(asked := [f"--{name}" for name in names if given[name]]) > 1:
        raise UsageError(f"{' and '.join(asked)} exclude each other", expected="one of them")
