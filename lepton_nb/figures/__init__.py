"""How is it drawn? Values in, SVG text out, readable on light and on dark ground."""

from .curves import curves, is_loss, overlay
from .drift import drift, heat, histograms
from .events import Event
from .layers import layers
from .maze import maze
from .studies import board
from .traffic import latency, mix, requests
from .trends import Track, bars, trends

__all__ = [
    "Event",
    "Track",
    "bars",
    "board",
    "curves",
    "drift",
    "heat",
    "histograms",
    "is_loss",
    "latency",
    "layers",
    "maze",
    "mix",
    "overlay",
    "requests",
    "trends",
]
