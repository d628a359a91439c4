"""The loaded models of a deployment, and how each worker follows a change of its plan.

Every worker says in `worker-<pid>.json` which generation of the plan it answers from: `{"format": 1, "pid",
"generation", "error", "refused", "time"}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from .formats import FORMAT
from .plans import CHALLENGER, CHAMPION, Plan, Slot, read_plan

__all__ = ["Follower", "Standing"]

_EVERY_S = 0.05
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """The loaded models of a plan.

    Args:
        plan: what was asked for.
        engines: per slot what answers.
    """

    plan: Plan
    engines: Mapping[str, Any] = field(default_factory=dict)

    @property
    def champion(self) -> Any:
        """What answers most requests."""
        return self.engines[CHAMPION]

    def engine(self, key: bytes | None) -> Any:
        """What answers a request: always the same for one key; without a key by chance."""
        if not self.plan.canary or CHALLENGER not in self.engines:
            return self.champion
        drawn = random.random() if key is None else _share(key)  # noqa: S311 - no secret hangs on it
        return self.engines[CHALLENGER] if drawn < self.plan.canary else self.champion

    @property
    def shadow(self) -> Any:
        """What also answers, unseen; None when there is none."""
        return self.engines.get(CHALLENGER) if self.plan.shadow else None


def _share(key: bytes) -> float:
    return float(int.from_bytes(hashlib.sha256(key).digest()[:8], "big") / 2**64)


class Follower:
    """Holds what answers, and changes it when slots.json does.

    Args:
        path: the slots.json; None when there is none to follow.
        first: what answers at the start where there is none.
        load: makes of a slot what can be asked, such as a loaded model.
        stand: makes what answers of a slot's name, the slot, and what `load` made.
        folder: where `worker-<pid>.json` is left, or None.
    """

    def __init__(
        self,
        path: Path | None,
        first: Slot,
        load: Callable[[Slot], Any],
        stand: Callable[[str, Slot, Any], Any],
        folder: Path | None,
    ) -> None:
        self._path, self._first, self._load, self._stand, self._folder = path, first, load, stand, folder
        self._seen: tuple[int, ...] = ()
        self._loaded_before: dict[Slot, Any] = {}
        self.standing: Standing | None = None

    def start(self) -> None:
        """Load what slots.json names.

        Raises:
            ModelError: a model cannot be served.
        """
        self._seen = self._look()
        plan = read_plan(self._path) if self._path else Plan({CHAMPION: self._first})
        self.standing, self._loaded_before = self._loaded(plan)
        self.acknowledge()

    async def follow(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if self._path is not None and self._look() != self._seen:
                await self._change()

    async def _change(self) -> None:
        assert self._path is not None  # noqa: S101 - only what has a path is followed
        plan, self._seen = None, self._look()
        try:
            plan = await asyncio.to_thread(read_plan, self._path)
            standing, loaded = await asyncio.to_thread(self._loaded, plan)
            if self._look() != self._seen:
                # It was changed, or taken back, while this was loading: what it says now is loaded next.
                self._seen = ()
                return
            self.standing, self._loaded_before = standing, loaded
        except Exception as cause:
            # What answered before goes on answering, and the next change is followed; whoever changed the file is told.
            _logger.exception("slots.json is not followed")
            self.acknowledge(str(cause), refused=plan.generation if plan else None)
        else:
            self.acknowledge()

    def _loaded(self, plan: Plan) -> tuple[Standing, dict[Slot, Any]]:
        known = self._loaded_before
        loaded = {slot: known[slot] if slot in known else self._load(slot) for slot in plan.slots.values()}
        engines = {name: self._stand(name, slot, loaded[slot]) for name, slot in plan.slots.items()}
        return Standing(plan, engines), loaded

    def acknowledge(self, error: str = "", refused: int | None = None) -> None:
        """Say which generation answers here, and which one cannot."""
        if self._folder is None or self.standing is None:
            return
        value = {
            "format": FORMAT,
            "pid": os.getpid(),
            "generation": self.standing.plan.generation,
            "error": error,
            "refused": refused,
            "time": time.time(),
        }
        temporary = self._folder / f".worker-{os.getpid()}.json"
        with contextlib.suppress(OSError):
            temporary.write_bytes(orjson.dumps(value))
            temporary.replace(self._folder / f"worker-{os.getpid()}.json")

    def end(self) -> None:
        """This worker answers no more."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / f"worker-{os.getpid()}.json").unlink(missing_ok=True)

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_ino, found.st_size) if found else ()
