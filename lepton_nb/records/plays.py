"""One episode that an agent played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .shown import Result, Table

__all__ = ["Play"]


@dataclass(frozen=True)
class Play(Result):
    """One episode, played without exploring.

    Args:
        run: id of the run.
        environment: where it was played.
        seed: of the episode.
        actions: names of what was done, in order.
        rewards: one per step.
        solved: whether a goal was reached; None where nobody can say.
        shortest: steps of the shortest way; None outside of mazes.
        drawing: the episode as one `<svg>` element that moves; empty outside of mazes.
    """

    run: str
    environment: str
    seed: int
    actions: tuple[str, ...]
    rewards: tuple[float, ...]
    solved: bool | None
    shortest: int | None
    drawing: str = ""

    def table(self) -> Table:
        """How it went."""
        rows: list[tuple[object, ...]] = [("steps", len(self.actions)), ("return", sum(self.rewards))]
        rows += [] if self.solved is None else [("solved", self.solved)]
        rows += [] if self.shortest is None else [("shortest way", f"{self.shortest} steps")]
        return Table(f"episode {self.seed} of {self.environment}, played by run {self.run[:8]}", (), rows)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        shown = super()._repr_mimebundle_(include, exclude)
        return {**shown, "text/html": f"<div style='max-width:560px'>{self.drawing}</div>{shown['text/html']}"}
