"""What was right, told later, beside what was predicted."""

from .joining import join
from .keeping import feedback
from .labelled import labelled
from .ledger import countable, reading, sums
from .ledger import read as read_ledger

__all__ = ["countable", "feedback", "join", "labelled", "read_ledger", "reading", "sums"]
