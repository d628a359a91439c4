"""How is it drawn? Values in, SVG text out, readable on light and on dark ground."""

from .drift import drift
from .traffic import latency, mix, requests

__all__ = ["drift", "latency", "mix", "requests"]
