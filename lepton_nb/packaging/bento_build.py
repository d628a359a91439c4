"""`python -m lepton_nb.packaging.bento_build FILE`: build a Bento as FILE says.

A process of its own, since BentoML imports the service, changes `sys.path` and the working folder, and reads
BENTOML_HOME once, when it is imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["main"]


def main(plan: Path) -> None:
    """Build a Bento.

    Args:
        plan: a JSON file with the keyword arguments of `bentoml.build`.
    """
    import bentoml

    bentoml.build(**json.loads(plan.read_bytes()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
