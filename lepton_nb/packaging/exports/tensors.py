"""A trained network on loaders of a notebook's own, as one torch module of named inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...artifact.named import Named
from ...artifact.network import PROBABILITIES
from ...artifact.subject import Subject as Network
from ...artifact.tensors import differing_of, sample_of
from ...artifact.texts import Text
from ...errors import PackagingError
from .whole import one_thread

__all__ = ["Tensors"]


class Tensors(Named):
    """What the artifact's graph computes: from the arguments of forward, of a text its token ids, to its outputs.

    Args:
        subject: the network, as it was packaged.
        text: how texts become what it takes, where it is for one length alone.
    """

    prepared = False

    def __init__(self, subject: Network, text: Text | None = None) -> None:
        super().__init__(subject.network, list(subject.batches[0]), subject.outputs, subject.head)
        self._subject, self._text = subject, text
        self._differing = {} if text else differing_of(subject)
        self.names = [PROBABILITIES] if subject.head is not None else list(subject.outputs)
        self.eval()

    def sample(self, rows: int) -> tuple[torch.Tensor, ...]:
        """What forward takes, of so many rows."""
        given = sample_of(self._subject, rows)
        given = self._text.arranged(given) if self._text else given
        return tuple(torch.from_numpy(np.ascontiguousarray(value)) for value in given.values())

    def lengths(self) -> Any:
        """The dimensions that may have any length, as `torch.export` takes them."""
        rows, auto = torch.export.Dim("rows", min=1), torch.export.Dim.AUTO
        return (tuple({0: rows, **dict.fromkeys(self._differing.get(name, ()), auto)} for name in self._inputs),)

    def of_one_length(self) -> Tensors:
        """The same for rows of one length, to which texts are filled up.

        Raises:
            PackagingError: other inputs differ in length.
        """
        differing, text = self._differing, self._subject.text
        if odd := [name for name, places in differing.items() if places and not (text and name in text.names)]:
            raise PackagingError(
                f"input {odd[0]!r} of {self._subject.name} has no one length, which this format needs",
                hint="--to pt2, or loaders that give one length",
            )
        return Tensors(self._subject, Text(replace(text.tokens, fixed=True), text.content)) if text else self

    @property
    def note(self) -> str:
        """What the file takes and gives."""
        given = ", ".join(
            f"{name} {value.dtype.name} {_shape(value, self._differing.get(name, ()))}"
            for name, value in zip(self._inputs, map(torch.Tensor.numpy, self.sample(1)), strict=True)
        )
        text = self._subject.text
        told = f", where {text.tokens.ids} are ids of the tokenizer" if text else ""
        return f"takes {given}{told}; gives {', '.join(self.names)}"

    def predictor(self, answer: Callable[..., Any]) -> Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]]:
        """A function of tensors as one of named arrays, on one thread."""

        def predict(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            given = self._text.arranged(inputs) if self._text else inputs
            with torch.inference_mode(), one_thread():
                told = answer(*(torch.from_numpy(np.ascontiguousarray(given[name])) for name in self._inputs))
            return {name: value.numpy() for name, value in zip(self.names, told, strict=True)}

        return predict


def _shape(value: NDArray[Any], differing: Any) -> str:
    sizes = ["N", *map(str, value.shape[1:])]
    return f"[{', '.join('L' if place in differing else size for place, size in enumerate(sizes))}]"
