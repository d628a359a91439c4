"""A verb that a running template can fork does not wait for its imports."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["run_warm"]

# They run here: `doctor` is to find what a fresh interpreter finds.
_HERE = frozenset({"doctor"})
# From a terminal they may open a browser that wants to have the terminal for itself.
_SHOWN = frozenset({"dashboard"})
_OFF = "LEPTON_WARM_SHELL"


def run_warm(words: Sequence[str]) -> None:
    """Have a forked process run the verb and end as it does, where that is possible and worth it; else return."""
    if _is_cold(words):
        return
    from ..kernels import run_in_foreground

    run_in_foreground("lepton_nb.cli.verb", words)


def _is_cold(words: Sequence[str]) -> bool:
    if not words or words[0].startswith("-") or words[0] in _HERE or "--help" in words:
        return True
    if os.environ.get(_OFF) == "0" or (words[0] in _SHOWN and os.isatty(1)):
        return True
    # What the shell has opened for this process alone, such as `<(command)`.
    return any("/dev/fd/" in word or "/proc/" in word for word in words)
