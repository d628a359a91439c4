"""`python -m lepton_nb.loop HOME DEPLOYMENT`: the process that `lepton watch` starts."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import LeptonError
from ..workspace import Workspace
from .watcher import watch

if __name__ == "__main__":
    try:
        watch(Workspace(Path(sys.argv[1])), sys.argv[2])
    except LeptonError as fault:
        sys.exit(f"{type(fault).__name__}: {fault}")
