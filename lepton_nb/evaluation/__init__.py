"""How good is a run, and what does it cost? Measured on the artifact that is shipped."""

from .agent import evaluate_agent
from .card import evaluate
from .loaders import evaluate_examples

__all__ = ["evaluate", "evaluate_agent", "evaluate_examples"]
