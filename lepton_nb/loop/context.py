"""What every stage of a watch works with."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ServingError
from ..records import Bento, Deployment, Note, Report
from ..runtime import CHAMPION, ModelError, Plan, Signature, Slot, read_plan, read_signature
from ..workspace import Workspace
from .options import WatchOptions
from .place import Place, State
from .traffic import traffic_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ..pipelines import Executor

__all__ = ["Context"]

# Retrainings that come to nothing are tried again at last after a day.
_LONGEST_S = 24 * 3600.0
_MOST_DOUBLINGS = 20


@dataclass(frozen=True)
class Context:
    """A watch at work.

    Args:
        ws: the workspace.
        name: of the deployment.
        options: how it is watched.
        place: where it is recorded.
        report: hears what happens.
        executor: who executes the steps of a retraining; None for processes of this machine.
    """

    ws: Workspace
    name: str
    options: WatchOptions
    place: Place
    report: Report
    executor: Executor | None = None

    def deployment(self) -> Deployment | str:
        """The deployment; the name alone of one that runs elsewhere.

        Raises:
            NotFoundError: there is no such deployment.
        """
        from .. import monitoring, serving

        return self.name if monitoring.is_elsewhere(self.ws, self.name) else serving.get(self.ws, self.name)

    def plan(self) -> Plan:
        """What answers now.

        Raises:
            ServingError: the deployment's slots cannot be read.
        """
        try:
            return read_plan(self.ws.deployment(self.name) / "slots.json")
        except ModelError as cause:
            raise ServingError(f"deployment {self.name!r} does not tell what answers", got=str(cause)) from cause

    def champion(self) -> Slot:
        """The slot that answers now."""
        return self.plan().slots[CHAMPION]

    def signature(self) -> Signature:
        """What the champion takes."""
        try:
            return read_signature(self.champion().path)
        except ModelError as cause:
            raise ServingError(f"the champion of {self.name!r} cannot be read", got=str(cause)) from cause

    def bento(self, tag: str) -> Bento:
        """A Bento of the store.

        Raises:
            NotFoundError: it is gone.
        """
        from .. import packaging

        return packaging.find(self.ws, tag)

    def point_aliases(self) -> None:
        """Have the tracking store's aliases say what answers; done twice it changes nothing."""
        from .. import serving

        serving.point_aliases(self.ws, serving.get(self.ws, self.name), self.report)

    def labelled(self, since: float) -> pa.Table:
        """Labelled predictions that were made after a moment in seconds since the epoch, the oldest first."""
        import pyarrow.compute as pc

        from .. import monitoring

        table = monitoring.labelled(self.ws, self.name, since=max(0.0, time.time() - since))
        return table.filter(pc.greater(table["time"], since))

    def told(self, since: float, behind: str = "") -> pa.Table:
        """Labelled predictions by when their label was told, the oldest first; several of one moment by their ids.

        Args:
            since: seconds since the epoch; only what was told later is wanted.
            behind: of what was told in just that moment, only ids behind this one; empty wants none of them.
        """
        import pyarrow.compute as pc

        from .. import monitoring

        table = monitoring.labelled(self.ws, self.name, told=since)
        wanted = pc.greater(table["told"], since)
        if behind:
            level = pc.and_(pc.equal(table["told"], since), pc.greater(table["id"], behind))
            wanted = pc.or_(wanted, level)
        return table.filter(wanted).sort_by([("told", "ascending"), ("id", "ascending")])

    def traffic(self) -> dict[str, Any]:
        """What was answered so far, as the state keeps it."""
        return traffic_of(self.ws, self.name).to_dict()

    def decide(
        self, state: State, action: str, stage: Any, why: str, numbers: Mapping[str, Any] | None = None, **changes: Any
    ) -> State:
        """Record a decision, and tell it."""
        changed = self.place.decide(state, action, stage, why, numbers, **changes)
        if stage == "watching":
            self._tidy(changed)
        self.report(Note(time.time(), f"{action}: {why}" if why else action))
        return changed

    def _tidy(self, state: State) -> None:
        """Remove frozen rows of earlier retrainings: they are people's data, and nobody needs them any more."""
        for pattern in ("train-*.parquet", "gate-*.parquet"):
            for path in self.place.folder.glob(pattern):
                if path.name not in (state.train, state.gate):
                    path.unlink(missing_ok=True)

    def anew(self, state: State, champion: str, **changes: Any) -> dict[str, Any]:
        """Changes of the state after which the watch looks at a champion from now on.

        One that has answered before is compared with how it did, another one with what its card promises.
        """
        now = time.time()
        same = champion == state.champion and state.rows
        right, rows = (state.right, state.rows) if same else card_of(self.champion().path)
        begun: dict[str, Any] = {"champion": champion, "challenger": "", "former": "", "onset": 0.0, "opened": 0.0}
        begun |= {"drifted": 0, "decayed": 0, "held": 0, "quality": None, "seen": now, "judged": now, "judged_id": ""}
        return begun | {"right": right, "rows": rows, "traffic": self.traffic()} | changes

    def backed_off(self, state: State) -> dict[str, Any]:
        """Changes of the state after which the next retraining waits twice as long as it did before."""
        wait = self.options.every * 2.0 ** min(state.failures, _MOST_DOUBLINGS)
        return {"failures": state.failures + 1, "not_before": time.time() + min(wait, _LONGEST_S)}

    def file(self, name: str) -> Path:
        """A file of the watch."""
        return self.place.folder / name


def card_of(model: Path) -> tuple[int, int]:
    """How many held-out rows a model's card says were right, and of how many; none without a card."""
    try:
        card = json.loads((model / "card.json").read_bytes())
        rows = int(card["rows"])
        return round(float(card["metrics"]["accuracy"]) * rows), rows
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
