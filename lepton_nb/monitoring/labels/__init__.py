"""What was right, told later, beside what was predicted."""

from .labelled import labelled

__all__ = ["labelled"]
