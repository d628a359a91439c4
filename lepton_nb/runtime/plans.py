"""Which models answer in a deployment: `slots.json`. Standard library only.

It reads `{"format": 1, "generation": 3, "slots": {"champion": {"bento", "path"}, "challenger": {...}}, "canary": 0.1,
"shadow": false, "previous": {"bento", "path"}}`, and is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError
from .formats import FORMAT, read_object

__all__ = ["CHALLENGER", "CHAMPION", "Plan", "Slot", "read_plan", "read_slots", "slots_object"]

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Slot:
    """What answers in one slot.

    Args:
        bento: `name:tag`, the version that predictions are logged under.
        path: the model folder, absolute.
    """

    bento: str
    path: Path


def slots_object(slots: Mapping[str, Slot]) -> dict[str, Any]:
    """The JSON object of `slots.json`."""
    return {
        "format": FORMAT,
        "slots": {name: {"bento": one.bento, "path": str(one.path)} for name, one in slots.items()},
    }


def read_slots(path: Path) -> dict[str, Slot]:
    """The slots of a `slots.json`.

    Raises:
        ModelError: it cannot be read, or names no champion.
    """
    value = read_object(path)
    try:
        slots = {str(name): Slot(str(one["bento"]), Path(one["path"])) for name, one in value["slots"].items()}
    except (KeyError, TypeError, AttributeError) as cause:
        raise ModelError(f"{path} is not a slots file: {type(cause).__name__} {cause}") from cause
    if CHAMPION not in slots:
        raise ModelError(f"{path} names no slot {CHAMPION!r}")
    return slots


@dataclass(frozen=True)
class Plan:
    """What slots.json says.

    Args:
        slots: `champion`, and `challenger` where there is one.
        generation: counts the changes.
        canary: share of the keys that the challenger answers.
        shadow: whether the challenger also answers everything, unseen.
        previous: what stood in `champion` before.
    """

    slots: Mapping[str, Slot]
    generation: int = 0
    canary: float = 0.0
    shadow: bool = False
    previous: Slot | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with its format number."""
        return {
            "format": FORMAT,
            "generation": self.generation,
            "slots": {name: _entry(one) for name, one in self.slots.items()},
            "canary": self.canary,
            "shadow": self.shadow,
            "previous": _entry(self.previous) if self.previous else None,
        }


def _entry(slot: Slot) -> dict[str, str]:
    return {"bento": slot.bento, "path": str(slot.path)}


def read_plan(path: Path) -> Plan:
    """The plan of a `slots.json`.

    Raises:
        ModelError: it cannot be read, or names no champion.
    """
    slots, value = read_slots(path), read_object(path)
    try:
        before = value.get("previous")
        return Plan(
            slots,
            int(value.get("generation", 0)),
            float(value.get("canary", 0.0)),
            bool(value.get("shadow", False)),
            Slot(str(before["bento"]), Path(before["path"])) if before else None,
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise ModelError(f"{path} is not a slots file: {type(cause).__name__} {cause}") from cause
