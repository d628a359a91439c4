"""How is it drawn? Values in, SVG text out, readable on light and on dark ground."""

from .curves import curves, is_loss, overlay
from .drift import drift
from .traffic import latency, mix, requests

__all__ = ["curves", "drift", "is_loss", "latency", "mix", "overlay", "requests"]
