"""Is this true of what is known? The one small language of conditions, alerts and gates."""

from .evaluation import evaluate
from .parsing import names

__all__ = ["evaluate", "names"]
