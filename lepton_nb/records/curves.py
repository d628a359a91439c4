"""What was measured over the steps of a training."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line"]


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: of the metric, such as `val_loss`.
        steps: optimizer steps, ascending.
        values: one per step; NaN where it was not finite.
        run: name of the run, where several are drawn together.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    run: str = ""
