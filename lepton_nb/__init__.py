"""From the lab to production without leaving Jupyter.

`%load_ext lepton_nb` gives a notebook the `%lepton` magic; each verb is also a function here, such as
`lepton_nb.train` and `lepton_nb.data_load`, and a command of the `lepton` shell program.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext lepton_nb` calls."""
    from .magics import load

    load(shell)


def __getattr__(name: str) -> Any:
    """A verb as a function, imported on first use."""
    from pathlib import Path

    # `from .. import ROOM` asks here before it imports the room: the verbs must not be imported for that.
    if name.startswith("_") or (Path(__file__).parent / name).is_dir():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .commands import face

    try:
        return face(name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    from .commands import FUNCTIONS, VERBS

    return sorted([*globals(), *FUNCTIONS, *(path.replace(" ", "_") for path in VERBS)])
