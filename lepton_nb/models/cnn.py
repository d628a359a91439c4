"""A network for small images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .learner import Learner, Schedule

__all__ = ["CNN"]


class CNN(Learner):
    """Blocks of two 3x3 convolutions, each block halving the image, then a mean over what is left.

    Args:
        feature_shape: channels, height, width.
        classes: number of classes, targets or labels.
        task: what they are.
        channels: channels of each block; the image is halved after every block but the last.
        dropout: share of the pooled values dropped in training.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
        label_smoothing: of classes.
        loss: of numbers.
        class_weights: of classes or labels.
    """

    def __init__(  # noqa: PLR0913 -- one argument per option
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        channels: Sequence[int] = (32, 64),
        dropout: float = 0.1,
        lr: float = 5e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        layers: list[nn.Module] = []
        before = feature_shape[0]
        for place, width in enumerate(channels):
            layers += [*_convolution(before, width), *_convolution(width, width)]
            layers += [nn.MaxPool2d(2, ceil_mode=True)] if place < len(channels) - 1 else []
            before = width
        network = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(before, classes)
        )
        super().__init__(
            network,
            width=classes,
            task=task,
            lr=lr,
            weight_decay=weight_decay,
            schedule=schedule,
            label_smoothing=label_smoothing,
            loss=loss,
            class_weights=class_weights,
        )


def _convolution(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
