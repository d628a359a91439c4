"""A network as a column of its layers, with what each gives and how much it learns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..records import Layer
from .canvas import ACCENT, INK, SOFT, WIDTH, element, say
from .plot import rectangle, write

__all__ = ["layers"]

_ROW, _TOP, _BAR, _LEFT = 20.0, 34.0, 130.0, 250.0
# More would be no picture any more; the table has all of them.
_MOST = 60


def layers(name: str, row: Sequence[int], found: Sequence[Layer]) -> str:
    """Layers from the row down to the answer.

    Args:
        name: of the network.
        row: shape of a row.
        found: the layers, in order.

    Returns:
        One `<svg>` element; every text in it is escaped. A bar grows with the logarithm of the parameters.
    """
    shown = list(found[:_MOST])
    most = max((one.parameters for one in shown), default=0)
    parts = [write(8, 12, f"{say(name, 40)}: a row of {_shape(row)}", colour=INK)]
    for place, one in enumerate(shown):
        y = _TOP + _ROW * place
        share = math.log1p(one.parameters) / math.log1p(most) if most else 0.0
        parts.append(write(8, y, f"{say(one.kind, 24)}  {say(one.name, 22)}", colour=INK))
        parts.append(rectangle(_LEFT, y - 6, _BAR * share, 12, ACCENT if one.parameters else SOFT))
        parts.append(write(_LEFT + _BAR * share + 6, y, f"{one.parameters:,}" if one.parameters else ""))
        parts.append(write(WIDTH - 8, y, _shape(one.shape), anchor="end"))
    if len(found) > _MOST:
        parts.append(write(8, _TOP + _ROW * len(shown), f"and {len(found) - _MOST} more"))
    words = "; ".join(f"{one.kind} gives {_shape(one.shape)}, {one.parameters} parameters" for one in shown)
    return element(_TOP + _ROW * (len(shown) + 1), f"Layers of {name}", words, "".join(parts))


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
