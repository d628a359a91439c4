"""A trained network with the rows of its training that it is packaged by, and what it says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LeptonError, PackagingError
from ..models import Batch, Examples, load_trained
from ..records import Run
from .named import Arrays, ask
from .texts import Text, text_of
from .trained import Head, gives_probabilities, probabilities_of
from .wanted import TAKEN, Wanted, task_of

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True)
class Subject:
    """A network with what is known of it.

    Args:
        network: in eval mode.
        name: of its class.
        outputs: names of what it returns.
        task: what it is for.
        head: for a classification, what makes probabilities of what it gives; else None.
        text: its text, where it has one.
        examples: what was kept of its loaders.
        batches: held-out inputs as the graph takes them.
        answers: what the network says of them, by the names of the graph's outputs.
        targets: what is right for them; empty where that is not known.
    """

    network: Any
    name: str
    outputs: tuple[str, ...]
    task: str
    head: Head | None
    text: Text | None
    examples: Examples
    batches: tuple[Arrays, ...] = ()
    answers: tuple[Arrays, ...] = ()
    targets: NDArray[Any] = field(default_factory=lambda: np.zeros(0))

    @property
    def rows(self) -> int:
        """How many are asked."""
        return sum(len(next(iter(one.values()))) for one in self.batches)

    def over(self, batches: Sequence[Batch]) -> Subject:
        """The same network with other rows; those of a text without a token are left out."""
        targets, text = _targets(batches), self.text
        if text is None:
            arranged = tuple(one.inputs for one in batches)
        else:
            arranged = tuple(filter(None, (text.arranged(one.inputs) for one in batches)))
            kept = np.concatenate([text.sizes(one.inputs) > 0 for one in batches])
            targets = targets[kept] if len(targets) == len(kept) else targets[:0]
        return replace(self, batches=arranged, answers=tuple(map(self.answer, arranged)), targets=targets)

    def answer(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """What the network says, by the names of the graph's outputs."""
        found = ask(self.network, inputs, self.outputs)
        if self.head is None:
            return found
        return {"probabilities": probabilities_of(next(iter(found.values())).astype(np.float64), self.head)}


def subject_of(run: Run, examples: Examples, wanted: Wanted) -> Subject:
    """What is packaged of a run on loaders of its own.

    Raises:
        PackagingError: it cannot be told what the network takes, or it fails.
    """
    network, wanted = load_trained(run.path), wanted.named(examples.classes)
    name, held_out = type(network).__name__, examples.held_out
    if examples.fault or not held_out:
        raise PackagingError(
            f"it is not known what forward of {name} takes",
            expected="loaders that give (inputs, targets), or mappings by the names of forward's arguments",
            got=examples.fault or "a training that ended before its first batch",
            hint="train it again on such loaders",
        )
    batches = [one.inputs for one in held_out]
    found = [ask(network, one, wanted.outputs) for one in batches]
    if taken := sorted((set(found[0]) & set(TAKEN)) | (set(found[0]) & set(batches[0]))):
        raise PackagingError(
            f"an output of {name} cannot be called {taken[0]!r}", hint=f"--outputs NAME{',NAME' * (len(found[0]) - 1)}"
        )
    seen = _targets((*examples.train, *examples.validation))
    task = task_of(wanted, _joined(found), [seen] if seen.size and _targets(held_out).size else [], name)
    head = _head_of(network, batches, [next(iter(one.values())) for one in found]) if task == "classification" else None
    text = text_of(network, batches, wanted.outputs, wanted) if wanted.tokenizer else None
    outputs = tuple(found[0])
    if task == "regression" and not wanted.outputs:
        outputs = ("value",)
    return Subject(network, name, outputs, task, head, text, examples).over(held_out)


def _head_of(network: Any, batches: Sequence[Arrays], scores: Sequence[NDArray[Any]]) -> Head:
    """What makes probabilities of scores."""
    if scores[0].ndim == 2 and scores[0].shape[1] > 1:
        return "" if all(map(gives_probabilities, scores)) else "softmax"
    told = [*scores, *_far(network, batches[0])]
    return "pair" if all(((one >= 0) & (one <= 1)).all() for one in told) else "sigmoid"


def _far(network: Any, batch: Arrays) -> list[NDArray[Any]]:
    """What a network says of rows far from those of its training: there logits leave what probabilities never do."""
    found = []
    for factor in (-1000, 1000):
        rows = {name: one * one.dtype.type(factor) if one.dtype.kind == "f" else one for name, one in batch.items()}
        with contextlib.suppress(LeptonError):
            found.append(next(iter(ask(network, rows).values())))
    return found


def _targets(batches: Sequence[Batch]) -> NDArray[Any]:
    """The only target of all rows; empty where there is none, or several."""
    found = [list(one.targets.values()) for one in batches]
    if any(len(one) != 1 for one in found) or len({one[0].shape[1:] for one in found}) != 1:
        return np.zeros(0)
    return np.concatenate([one[0] for one in found])


def _joined(found: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The answers to batches as one, for as far as their shapes are alike."""
    alike = [one for one in found if all(one[name].shape[1:] == found[0][name].shape[1:] for name in one)]
    return {name: np.concatenate([one[name] for one in alike]) for name in found[0]}
