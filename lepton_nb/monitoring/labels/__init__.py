"""What was right, told later, beside what was predicted."""

from .joining import join
from .keeping import feedback
from .labelled import labelled
from .ledger import read as read_ledger
from .ledger import reading, sums

__all__ = ["feedback", "join", "labelled", "read_ledger", "reading", "sums"]
