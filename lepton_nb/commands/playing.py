"""An episode of a trained agent, to look at in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..records import Play
from ..workspace import current
from .find import run_of, source_of

if TYPE_CHECKING:
    from ..models import Environment

_HIGHEST = 2**63 - 1


def play(run: object = "last", seed: int = 0, *, data: object = None) -> Play:
    """Play one episode as well as a trained agent can; in a notebook a maze is drawn, and the agent walks through it.

    Args:
        run: a run, an id, a unique prefix, a name or `last`.
        seed: of the episode; the same number is the same maze. None from 3 * 2^30 on was trained on.
        data: another environment with the same actions, whose observations the network takes.

    Raises:
        UsageError: the run is no agent's, or the seed is none.
        NotFoundError: there is no such run, or it has no weights (yet).
    """
    from .. import models

    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _HIGHEST:
        raise UsageError(f"seed {seed!r} is not allowed", expected=f"a whole number from 0 to {_HIGHEST}")
    found = run_of(current(), run)
    own = models.environment_of(found.path)
    if own is None:
        raise UsageError(f"run {found.name} is no agent's", expected="a run of dqn", got=f"a run of {found.model}")
    place = own if data is None else models.environment(source_of(data))
    if place.actions != own.actions:
        raise UsageError(
            f"run {found.name} cannot act in {place}",
            expected=f"the actions {', '.join(own.actions)}",
            got=", ".join(place.actions),
        )
    agent = models.load_trained(found.path)
    episode = models.Episodes(place, "test", 1, seed=seed)
    episode.played(agent.best)
    return Play(
        run=found.id,
        environment=place.name,
        seed=seed,
        actions=tuple(place.actions[one] for one in episode.taken),
        rewards=tuple(episode.rewards),
        solved=None if episode.solved is None else bool(episode.solved[0]),
        shortest=None if episode.shortest is None else int(episode.shortest[0]),
        drawing=_drawn(place, seed, episode.taken),
    )


def _drawn(place: Environment, seed: int, taken: list[int]) -> str:
    """The walk through a maze; empty elsewhere."""
    from .. import figures, models

    if place.maze is None:
        return ""
    walls, walk, shortest = models.walked(place.maze, seed, taken)
    return figures.maze(walls, walk, shortest, title=f"{place.name}, maze {seed}")
