"""Where a kernel is looked at from, and what it shows there."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["STATIC", "in_voila"]

# Built from extensions/lepton-widgets.
STATIC = Path(__file__).parent / "static"


def in_voila() -> bool:
    """Whether this kernel serves a Voila page: nothing of it is saved, and its widgets are all there is to see."""
    software = os.environ.get("SERVER_SOFTWARE", "")
    # A preheated kernel starts before there is a request, and is told so instead.
    return software.startswith("voila/") or os.environ.get("VOILA_PREHEAT", "") == "True"
