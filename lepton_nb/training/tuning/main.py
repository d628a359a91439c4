"""`python -m lepton_nb.training.tuning.main HOME STUDY`: the process that `lepton tune` starts."""

from __future__ import annotations

import sys
from pathlib import Path

from ...errors import LeptonError
from ...workspace import Workspace

__all__: list[str] = []

if __name__ == "__main__":
    from .tuner import tune

    try:
        tune(Workspace(Path(sys.argv[1])), sys.argv[2])
    except LeptonError as fault:
        sys.exit(f"{type(fault).__name__}: {fault}")
