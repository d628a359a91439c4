"""Dropout that draws its mask in a third of the time on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]

_STEPS = 1 << 16
_DRAWN = 4


class Dropout(nn.Dropout):
    """Zeroes values with probability `p` in training and scales the others by `1 / (1 - p)` (arXiv:1207.0580).

    torch draws a Bernoulli number per value, one after the other; here one draw of 64 bits decides on four values. The
    probability is `p` to within 2^-17, and the scale is that of the probability that is used. Whatever is not float32
    on a CPU in training is left to torch.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> Dropout(0.5)(torch.ones(8)).unique().tolist()
        [0.0, 2.0]
        >>> Dropout(0.5).eval()(torch.ones(2)).tolist()
        [1.0, 1.0]
    """

    def forward(self, values: Tensor) -> Tensor:
        """Some of the values, scaled; all of them when the network is evaluated."""
        dropped = round(self.p * _STEPS)
        fits = values.device.type == "cpu" and values.dtype is torch.float32 and not self.inplace
        if not self.training or not fits or not 0 < dropped < _STEPS or torch.compiler.is_compiling():
            return super().forward(values)
        drawn = torch.empty(-(-values.numel() // _DRAWN), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        kept = drawn[: values.numel()] >= dropped - _STEPS // 2
        return values * kept.view(values.shape).to(torch.float32).mul_(_STEPS / (_STEPS - dropped))
