"""Do errors or latency get worse by the doing of another model?"""

from __future__ import annotations

from pathlib import Path

from .measuring import slower
from .traffic import Traffic, Usual, failing, slow

__all__ = ["worse"]


def worse(traffic: Traffic, usual: Usual, before: Path, after: Path) -> str:
    """Why what answers now does worse than what answered before, one line; empty when it does not.

    Failures are counted as they are. That answers take longer may be the machine's or the traffic's doing: a model is
    to blame when it is slower than the one before it, asked side by side.

    Args:
        traffic: since the other model answers.
        usual: what traffic was like before.
        before: the model folder of what answered before.
        after: that of what answers now.

    Raises:
        ServingError: a model cannot be loaded.
    """
    if reason := failing(traffic, usual):
        return reason
    reason = slow(traffic, usual)
    blamed = slower(before, after) if reason else ""
    return f"{reason}; {blamed}" if blamed else ""
