"""Is this true of what is known? The one small language of conditions, alerts and gates."""

from .evaluation import UNKNOWN, Unknown, evaluate, holds
from .parsing import names

__all__ = ["UNKNOWN", "Unknown", "evaluate", "holds", "names"]
