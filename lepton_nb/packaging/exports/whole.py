"""A trained network as one torch module that ends in probabilities, and for arrays begins with the raw values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...artifact.network import Answering
from ...artifact.trained import Form, form_of
from ...data import preprocessing
from ...models import load_trained
from ...records import Data
from ...runtime.answers import Answers
from .formats import Subject

__all__ = ["Whole", "one_thread"]


class Whole(torch.nn.Module):
    """What the artifact's graph computes, as far as torch can: text is not for tensors.

    Args:
        subject: what is exported.
        data: the data it was trained on.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, subject: Subject, data: Data) -> None:
        super().__init__()
        self.network = load_trained(subject.run.path)
        self.answering = Answering(self.network, Form(form_of(self.network, data).head), data.width)
        self.prepared = data.kind != "array"
        if not self.prepared:
            mean, std = preprocessing(data).broadcast(1 + len(data.columns[0].shape))
            self.register_buffer("mean", torch.from_numpy(mean))
            self.register_buffer("std", torch.from_numpy(std))
        self.dtype = torch.int64 if data.kind == "text" else torch.float32
        self.shape = tuple(data.feature_shape if self.prepared else data.columns[0].shape)
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Probabilities, or the numbers of a regression.

        Args:
            rows: float32 [N, *shape], prepared features of a table or raw arrays; of texts token ids int64 [N, L].

        Returns:
            float32 [N, C].
        """
        answer: torch.Tensor = self.answering(rows if self.prepared else (rows - self.mean) / self.std)
        return answer

    def sample(self, rows: int) -> tuple[torch.Tensor, ...]:
        """What forward takes, of so many rows."""
        return (torch.zeros(rows, *self.shape, dtype=self.dtype),)

    def lengths(self) -> Any:
        """The dimensions that may have any length, as `torch.export` takes them."""
        lengths = {1: torch.export.Dim.AUTO} if self.dtype == torch.int64 else {}
        return ({0: torch.export.Dim("rows", min=1), **lengths},)

    def of_one_length(self) -> Whole:
        """The same for a single row: no other length of a row may differ."""
        return self

    @property
    def note(self) -> str:
        """What the file takes."""
        shape = ", ".join(map(str, ("N", *self.shape)))
        if self.dtype == torch.int64:
            return f"takes token ids int64 [{shape}], with 0 behind the last one of a shorter text"
        what = "features that were preprocessed before" if self.prepared else "raw values"
        return f"takes float32 [{shape}]: {what}"

    def predictor(self, answer: Callable[..., Any]) -> Callable[[Mapping[str, NDArray[Any]]], Answers]:
        """A function of tensors as one of named arrays, on one thread."""

        def predict(inputs: Mapping[str, NDArray[Any]]) -> Answers:
            (rows,) = inputs.values()
            with torch.inference_mode(), one_thread():
                given = torch.from_numpy(np.ascontiguousarray(rows)).to(self.dtype)
                answered: NDArray[np.floating[Any]] = answer(given).numpy()
            return answered

        return predict


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, and on as many as before afterwards: they belong to the whole process."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
