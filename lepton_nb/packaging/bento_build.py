"""`python -m lepton_nb.packaging.bento_build FILE`: build a Bento as FILE says.

A process of its own, since BentoML imports the service, changes `sys.path` and the working folder, and reads
BENTOML_HOME once, when its store is first needed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

__all__ = ["main"]

_OF_BENTOML = ("bentoml", "_bentoml_impl", "_bentoml_sdk")


def main(plan: Path) -> None:
    """Build a Bento.

    Args:
        plan: a JSON file with the keyword arguments of `bentoml.build`.
    """
    # The service and the runtime are imported where the Bento is taken from.
    sys.dont_write_bytecode = True
    from bentoml._internal.configuration.containers import BentoMLContainer

    if Path(BentoMLContainer.bentoml_home.get()) != Path(os.environ["BENTOML_HOME"]):
        # A module that the template has imported has used another store: that one's is remembered.
        for name in [name for name in sys.modules if name.partition(".")[0] in _OF_BENTOML]:
            del sys.modules[name]
    import bentoml

    bentoml.build(**json.loads(plan.read_bytes()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
