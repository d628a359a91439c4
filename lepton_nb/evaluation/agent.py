"""The model card of an agent: how it does in episodes that it was never trained on."""

from __future__ import annotations

from ..artifact import add_file, build_examples, wanted_of
from ..errors import UsageError
from ..models import PARTS, Environment, Episodes, Examples
from ..records import Artifact, Card, Run, plain

__all__ = ["evaluate_agent"]

_EPISODES = 200


def evaluate_agent(
    run: Run, examples: Examples, own: Environment, other: Environment | None = None, part: str = "test"
) -> Card:
    """Play episodes with a run's artifact, as it is served later.

    Args:
        run: a run of an agent that ended with weights.
        examples: what was kept of it.
        own: where it was trained.
        other: where it is measured instead, with the same observations and actions.
        part: whose seeds: `test`, `validation` or `train`.

    Returns:
        The card; its rows are episodes, and its metrics those of `Episodes.metrics`. The card of the test part of its
        own environment is kept beside the model.

    Raises:
        UsageError: the other environment is of another kind.
        PackagingError: the run has no artifact and none can be built.
    """
    played = other or own
    if (played.feature_shape, played.actions) != (own.feature_shape, own.actions):
        raise UsageError(
            f"run {run.name} cannot be measured in {played}",
            expected=f"observations of shape {own.feature_shape} and the actions {', '.join(own.actions)}",
            got=f"{played.feature_shape} and {', '.join(played.actions)}",
        )
    artifact = build_examples(run, examples, wanted_of(run))
    card = _played(run, artifact, examples, played, part)
    if part == "test" and played == own:
        add_file(run, artifact, "card.json", plain(card))
    return card


def _played(run: Run, artifact: Artifact, examples: Examples, played: Environment, part: str) -> Card:
    import numpy as np

    from ..runtime.model import Model
    from .measure import latencies_ms, peak_memory_mb

    model = Model.load(artifact.path)
    name = model.signature.inputs[0].name
    answered = "probabilities" if model.signature.is_classification else model.signature.outputs[0].name
    episodes = Episodes(played, part, _EPISODES).played(
        lambda seen: model.ask({name: np.asarray(seen, np.float32)})[answered].argmax(axis=1)
    )
    p50, p95 = np.percentile(latencies_ms(model, {name: examples.held_out[0].inputs[name]}), [50, 95])
    return Card(
        run=run.id,
        data=played.name,
        part=part,
        rows=episodes.count,
        classes=played.actions,
        metrics=episodes.metrics(),
        confusion=(),
        parameters=artifact.parameters,
        model_bytes=artifact.model_bytes,
        latency_p50_ms=float(p50),
        latency_p95_ms=float(p95),
        peak_memory_mb=peak_memory_mb(artifact.path),
        task=model.signature.task,
        notes=(f"each row is an episode of {played}, played without exploring{_SEEDS[part]}",),
    )


_SEEDS = {part: "" if part == "train" else ", on a seed that was never trained on" for part in PARTS}
