"""How good is a run, and what does it cost? Measured on the artifact that is shipped."""

from .card import evaluate

__all__ = ["evaluate"]
