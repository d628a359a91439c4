"""What may be told later as right: a class, a number, several numbers by name, or the labels that hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .formats import LARGEST_LABEL, Signature

__all__ = ["Truths", "is_number", "labels_of", "numbers_of"]


def is_number(signature: Signature) -> bool:
    """Whether what is right is a number: the answer is one."""
    return signature.task == "regression" and [one.shape for one in signature.answers] == [()]


def numbers_of(signature: Signature) -> tuple[str, ...]:
    """The names of the numbers that are answered, where these are several."""
    names = tuple(one.name for one in signature.answers if one.shape == ())
    return names if signature.task == "regression" and len(names) == len(signature.answers) > 1 else ()


def labels_of(signature: Signature) -> tuple[str, ...]:
    """The names of the labels of which several may hold."""
    return tuple(one.name for one in signature.outputs) if signature.task == "multilabel" else ()


@dataclass(frozen=True)
class Truths:
    """What any of some models can answer, and so what may be right.

    Args:
        classes: class names.
        number: whether a single number is.
        numbers: names of several numbers, per model.
        labels: names of the labels, per model.
    """

    classes: dict[str, None] = field(default_factory=dict)
    number: bool = False
    numbers: frozenset[tuple[str, ...]] = frozenset()
    labels: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def of(cls, signatures: Iterable[Signature], classes: Iterable[str] = ()) -> Truths:
        """Of some models, and of classes that others answered before."""
        models = list(signatures)
        return cls(
            dict.fromkeys([*(name for one in models for name in one.classes), *classes]),
            any(map(is_number, models)),
            frozenset(filter(None, map(numbers_of, models))),
            frozenset(filter(None, map(labels_of, models))),
        )

    def __bool__(self) -> bool:
        return bool(self.classes or self.number or self.numbers or self.labels)

    def takes(self, label: object) -> bool:
        """Whether a JSON value is what one of the models can answer."""
        if isinstance(label, str):
            return label in self.classes
        if isinstance(label, list):
            told = {name for name in label if isinstance(name, str)}
            return len(told) == len(label) and any(told <= set(names) for names in self.labels)
        if isinstance(label, dict):
            return all(map(_is_finite, label.values())) and any(label.keys() == set(names) for names in self.numbers)
        return self.number and _is_finite(label)

    @property
    def expected(self) -> str:
        """What is taken, in words."""
        known = [f"one of {', '.join(list(self.classes)[:20])}"] if self.classes else []
        known += [f"a finite number up to {LARGEST_LABEL:g}"] if self.number else []
        known += [f"an object of numbers {', '.join(names[:20])}" for names in sorted(self.numbers)]
        known += [f"a list of those that hold of {', '.join(names[:20])}" for names in sorted(self.labels)]
        return " or ".join(known)


def _is_finite(value: Any) -> bool:
    # Neither is NaN nor infinity within it.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST_LABEL
