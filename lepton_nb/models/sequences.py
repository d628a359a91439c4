"""What networks over sequences share: tokens or numbers become vectors, and vectors of every step become one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .dropout import Dropout

__all__ = ["Grams", "Pooled", "SequenceNetwork", "Steps"]

PADDING = 0


class Steps(nn.Module):
    """Rows of steps as vectors, with a mask that tells which steps there are.

    Args:
        feature_shape: (steps, features) of float sequences, (steps,) of token ids.
        vocabulary: how many token ids there are; 0 for float sequences.
        width: of a vector.
        dropout: share of the values dropped in training.
        word_dropout: share of the tokens that are left out in training (arXiv:1511.01432's word dropout).
    """

    def __init__(
        self, feature_shape: Sequence[int], vocabulary: int, width: int, *, dropout: float, word_dropout: float
    ) -> None:
        super().__init__()
        self.reads_tokens, self.word_dropout = vocabulary > 0, word_dropout
        self.vectors: nn.Module = (
            nn.Embedding(vocabulary, width, padding_idx=PADDING)
            if self.reads_tokens
            else nn.Linear(feature_shape[1], width)
        )
        self.dropout = Dropout(dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors float32 [N, L, width], and which steps there are, bool [N, L].

        Args:
            features: token ids int64 [N, L] with 0 behind the last one, or float32 [N, L, F].
        """
        if not self.reads_tokens:
            return self.dropout(self.vectors(features)), features.new_ones(features.shape[:2], dtype=torch.bool)
        # A row without a token has one step all the same: a mean over none would be no number.
        is_step = (features != PADDING) | (torch.arange(features.shape[1], device=features.device) == 0)
        vectors = self.vectors(features)
        if self.training and self.word_dropout:
            kept = torch.rand(features.shape, device=features.device) >= self.word_dropout
            vectors = vectors * kept[..., None]
        return self.dropout(vectors), is_step


class Grams(nn.Module):
    """What stands beside each other in a row: one-dimensional convolutions of several widths (arXiv:1408.5882).

    Args:
        width: of the vector of a step, before and behind.
        kernels: how many steps each convolution sees, odd numbers.
    """

    def __init__(self, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        shares = [width // len(kernels) + (place < width % len(kernels)) for place in range(len(kernels))]
        self.parts = nn.ModuleList(
            nn.Conv1d(width, share, size, padding=size // 2) for share, size in zip(shares, kernels, strict=True)
        )

    def forward(self, values: Tensor, is_step: Tensor) -> Tensor:
        """float32 [N, L, width] to the same; padding is zeros, as what lies beyond the ends is."""
        there = (values * is_step[..., None]).transpose(1, 2)
        return torch.relu(torch.cat([part(there) for part in self.parts], dim=1)).transpose(1, 2)


class Pooled(nn.Module):
    """The mean and the largest value over the steps that there are, beside each other."""

    def forward(self, values: Tensor, is_step: Tensor) -> Tensor:
        """One vector per row.

        Args:
            values: float32 [N, L, D].
            is_step: bool [N, L], true at one step of each row at least.

        Returns:
            float32 [N, 2 D].
        """
        there = is_step[..., None]
        mean = (values * there).sum(dim=1) / there.sum(dim=1)
        lowest = torch.full_like(values, torch.finfo(torch.float32).min)
        return torch.cat([mean, torch.where(there, values, lowest).amax(dim=1)], dim=1)


class SequenceNetwork(nn.Module):
    """Steps, a body over them, and a head over what is pooled.

    Args:
        steps: makes vectors of rows.
        body: vectors [N, L, D] and which steps there are to vectors [N, L, E].
        head: pooled vectors [N, 2 E] to outputs.
    """

    def __init__(self, steps: Steps, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.steps, self.body, self.pooled, self.head = steps, body, Pooled(), head

    def forward(self, features: Tensor) -> Tensor:
        """Outputs [N, ...] of rows."""
        vectors, is_step = self.steps(features)
        outputs: Tensor = self.head(self.pooled(self.body(vectors, is_step), is_step))
        return outputs
