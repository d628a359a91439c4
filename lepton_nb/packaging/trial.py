"""`python -m lepton_nb.packaging.trial FOLDER [--allow-code]`: ask a model folder its golden batch.

A process of its own: what somebody else made may run for ever, take all memory, or end the process.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from ..errors import LeptonError

__all__ = ["GOLDEN", "SOURCE", "main"]

GOLDEN = "golden.json"
# A network that ONNX cannot express rests as this text; it is there in no other package.
SOURCE = "network.py"

_PROCESSOR_S = 240
# Of address space, of which far more is asked for than is used.
_MEMORY, _TIMES = 16 * 2**30, 6


def main(folder: Path, *, allow_code: bool = False) -> str:
    """Ask, and say how far the answers are from what was expected.

    Args:
        folder: a model folder.
        allow_code: run the network's source where there is one.

    Returns:
        The largest absolute difference, as text; or the fault, behind a `!`.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
    is_code = (folder / SOURCE).exists()
    if not is_code:
        size = _MEMORY + _TIMES * sum(path.stat().st_size for path in folder.iterdir())
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    try:
        if is_code:
            if not allow_code:
                return f"!{SOURCE} is not run without --allow-code"
            from ..artifact.coded import Coded

            return f"{Coded.load(folder).check_golden(folder):.3g}"
        from ..artifact.golden import check_golden

        return f"{check_golden(folder):.3g}"
    except LeptonError as fault:
        return f"!{fault}"


if __name__ == "__main__":
    text = main(Path(sys.argv[1]), allow_code="--allow-code" in sys.argv[2:])
    if text.startswith("!"):
        sys.exit(text[1:])
