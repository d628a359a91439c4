"""A network that forecasts the next steps of a series, with what they may be at least and at most."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .dropout import Dropout
from .learner import Learner, Schedule
from .objectives import Numbers
from .recurrent import Cell, layer_of, states_of

__all__ = ["Forecaster"]

_MEDIAN = 0.5


class Quantiles(Numbers):
    """The pinball loss of several quantiles of each number (Koenker & Bassett, 1978).

    Args:
        width: numbers per row.
        quantiles: between 0 and 1, ascending; the one in the middle is answered.
    """

    levels: Tensor

    def __init__(self, width: int, quantiles: Sequence[float]) -> None:
        super().__init__(width, "mae")
        self._middle = min(range(len(quantiles)), key=lambda place: abs(quantiles[place] - _MEDIAN))
        self.register_buffer("levels", torch.tensor([float(one) for one in quantiles]))

    def answers(self, scores: Tensor) -> Tensor:
        """The middle quantile of each number, [N, width], in its own unit."""
        return super().answers(scores[..., self._middle])

    def loss(self, scores: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """The mean over numbers and quantiles, of scaled targets."""
        above = ((targets - self.mean) / self.deviation)[..., None] - scores
        return torch.maximum(self.levels * above, (self.levels - 1) * above).mean()

    def sums(self, scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Errors of the answers, and the share of numbers between the lowest and the highest quantile."""
        errors = self.answers(scores) - targets
        scaled = (targets - self.mean) / self.deviation
        within = (scaled >= scores[..., 0]) & (scaled <= scores[..., -1])
        return {
            "val_mae": errors.abs().mean(),
            "val_square": errors.square().mean(),
            "val_coverage": within.float().mean(),
        }


class _Reader(nn.Module):
    """Steps [N, L, V] to a vector [N, width]: the last state of a recurrent layer, or attention to the last step.

    Args:
        cell: `gru`, `lstm` or `transformer`.
        values: numbers of a step.
        history: steps.
        width: of the vector.
        dropout: share of values dropped in training.
    """

    def __init__(self, cell: str, values: int, history: int, width: int, dropout: float) -> None:
        super().__init__()
        self.cell: Cell | None = None
        if cell != "transformer":
            self.body: nn.Module = layer_of(cell, values, width)
            self.cell = "lstm" if cell == "lstm" else "gru"
            return
        self.before = nn.Linear(values, width)
        self.places = nn.Parameter(torch.randn(history, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, steps: Tensor) -> Tensor:
        if self.cell:
            return states_of(self.cell, self.body, steps)[:, -1]
        read: Tensor = self.body(self.before(steps) + self.places)
        return read[:, -1]


class _Network(nn.Module):
    """A linear forecast, and what a network adds to it (as in arXiv:2205.13504, whose linear layer is hard to beat)."""

    def __init__(
        self, width: int, history: int, series: int, horizon: int, quantiles: int, cell: str, size: int, dropout: float
    ) -> None:
        super().__init__()
        self.history, self.series, self.rest = history, series, width - history * series
        self.horizon, self.quantiles = horizon, quantiles
        self.linear = nn.Linear(width, horizon * quantiles)
        self.reader = _Reader(cell, self.series, history, size, dropout)
        self.added = nn.Sequential(
            nn.Linear(size + self.rest, size), nn.GELU(), Dropout(dropout), nn.Linear(size, horizon * quantiles)
        )
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.added[-1].weight)  # type: ignore[arg-type]  # a linear layer has one

    def forward(self, features: Tensor) -> Tensor:
        """Scores [N, horizon, quantiles] of rows [N, series * history + calendar]."""
        lags, rest = features[:, : self.history * self.series], features[:, self.history * self.series :]
        steps = lags.reshape(-1, self.series, self.history).transpose(1, 2)
        found = self.linear(features) + self.added(torch.cat([self.reader(steps), rest], dim=1))
        # Each quantile adds to the one below it, so that they never cross.
        first, more = found.view(-1, self.horizon, self.quantiles).split([1, self.quantiles - 1], dim=2)
        return torch.cat([first, first + nn.functional.softplus(more).cumsum(dim=2)], dim=2)


class Forecaster(Learner):
    """Forecasts several steps of a series at once, with quantiles of each (arXiv:1711.11053).

    It reads the last values and the calendar.
    Takes float32 `[N, V * history + calendar]`, rows of a series that was loaded with a horizon: the last `history`
    values of V series, the oldest first, then where the first step ahead lies in the year, the week and the day.
    Answers float32 `[N, horizon]`, the median of each step in the unit of the series. Its package answers with all
    `quantiles` of each step beside it, as the method of that name gives them.

    Args:
        feature_shape: (columns,) of a row.
        classes: steps ahead.
        task: always `regression`.
        history: steps back in a row; known of loaded data.
        series: how many of them a row holds, before its calendar; known of loaded data, else as many as fit.
        cell: `gru` (arXiv:1406.1078), `lstm` (Hochreiter & Schmidhuber, 1997) or `transformer` (arXiv:1706.03762)
            reads the steps.
        quantiles: ascending, between 0 and 1, the middle one is the answer; `val_coverage` is the share of values
            between the outer ones.
        size: width of what is read.
        dropout: share of the values dropped in training.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
    """

    def __init__(  # noqa: PLR0913 - the options of a network, by name
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "regression",
        *,
        history: int,
        series: int | None = None,
        cell: str = "gru",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        size: int = 32,
        dropout: float = 0.2,
        lr: float = 3e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
    ) -> None:
        (columns,) = feature_shape
        several = columns // history if series is None else series
        network = _Network(columns, history, several, classes, len(quantiles), cell, size, dropout)
        super().__init__(network, width=classes, task=task, lr=lr, weight_decay=weight_decay, schedule=schedule)
        self.objective = Quantiles(classes, quantiles)
        self._levels = tuple(float(one) for one in quantiles)

    @property
    def levels(self) -> tuple[float, ...]:
        """The probabilities of the quantiles, ascending."""
        return self._levels

    def quantiles(self, features: Tensor) -> Tensor:
        """All quantiles of each step, float32 [N, horizon, quantiles], in the unit of the series.

        Args:
            features: float32 [N, columns].
        """
        objective = self.objective
        scores: Tensor = self.network(features)
        return scores * objective.deviation[:, None] + objective.mean[:, None]  # type: ignore[index]
