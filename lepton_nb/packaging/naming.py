"""What a Bento is called."""

from __future__ import annotations

import re
import secrets
import time

from ..errors import UsageError
from ..records import Run
from ..workspace import check_name

__all__ = ["checked", "name_of", "new_tag"]


def checked(name: str) -> str:
    """The name, when a Bento may have it.

    Raises:
        UsageError: it is not allowed.
    """
    check_name(name, "Bento name")
    if not name[-1].isalnum():
        raise UsageError(f"Bento name {name!r} is not allowed", expected="a letter or a digit at its end")
    return name


def name_of(run: Run) -> str:
    """The run's name as a Bento may be called, else the network's."""
    for text in (run.name, run.model):
        # `BigNet` reads as `big-net`, as people would write it.
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
        fitted = re.sub(r"[^a-z0-9_.-]+", "-", spaced.lower())[:63].strip("-_.")
        if fitted:
            return fitted
    return "model"


def new_tag(name: str) -> str:
    """The name with a version of its own, whose order is that of time."""
    return f"{name}:{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
