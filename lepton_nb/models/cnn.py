"""A residual network for small images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from .learner import Learner, Schedule

__all__ = ["CNN"]


class CNN(Learner):
    """Residual blocks (arXiv:1512.03385), the image halved between them, then a mean over what is left.

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
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        before = feature_shape[0]
        for place, width in enumerate(channels, start=1):
            layers[f"block{place}"] = _Block(before, width)
            if place < len(channels):
                layers[f"halved{place}"] = nn.MaxPool2d(2, ceil_mode=True)
            before = width
        layers |= {"mean": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "dropout": nn.Dropout(dropout)}
        layers["head"] = nn.Linear(before, classes)
        network = nn.Sequential(layers)
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


class _Block(nn.Module):
    """Two 3x3 convolutions, whose result is added to what came in; a 1x1 convolution brings that to as many channels.

    Args:
        before: channels that come in.
        after: channels that go out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        # In front, as what is nearest to the image: so are layers told that are to learn more slowly.
        self.skip = nn.Sequential(*_convolution(before, after, 1)) if before != after else nn.Identity()
        self.body = nn.Sequential(*_convolution(before, after, 3), nn.ReLU(), *_convolution(after, after, 3))
        self.rectified = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """float32 [N, before, H, W] to float32 [N, after, H, W]."""
        whole: Tensor = self.rectified(self.body(images) + self.skip(images))
        return whole


def _convolution(before: int, after: int, size: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, size, padding=size // 2, bias=False), nn.BatchNorm2d(after)]
