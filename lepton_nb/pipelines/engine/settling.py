"""The notebook of an execution that could not close its books itself."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ...workspace import write_atomic
from .ending import Ending

__all__ = ["settle"]


def settle(executed: Path, ending: Ending) -> None:
    """Have a notebook whose execution was killed say how it ended, instead of `running`.

    Args:
        executed: the executed notebook; when it is not there or no notebook, nothing happens.
        ending: how the execution ended.
    """
    try:
        notebook = json.loads(executed.read_bytes())
        if notebook["metadata"]["lepton"]["status"] != "running":
            return
        notebook["metadata"]["lepton"] = dataclasses.asdict(ending)
        notebook["metadata"]["papermill"]["exception"] = True
        for cell in notebook["cells"]:
            if (told := cell["metadata"].get("papermill")) and told["status"] == "running":
                told.update(status=ending.status, exception=True)
    except (OSError, ValueError, KeyError, TypeError):
        return
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomic(executed, text.encode("utf-8", "backslashreplace"))
