"""What a notebook says about itself before it runs: its language and the parameters it declares."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from ...errors import NotFoundError, PipelineError

__all__ = ["declared_parameters"]


def declared_parameters(path: Path) -> tuple[str, ...]:
    """The names assigned in the first cell tagged `parameters`, which Papermill overrides.

    Args:
        path: a Python notebook of format 4.

    Raises:
        NotFoundError: there is no such file.
        PipelineError: it is no Python notebook of format 4, or its parameters cell does not parse.
    """
    cells = _cells(path)
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if not tagged:
        return ()
    lines = "".join(tagged[0].get("source", "")).splitlines()
    try:
        tree = ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines))
    except SyntaxError as cause:
        raise PipelineError(
            f"the parameters cell of {path} does not parse: {cause.msg} in its line {cause.lineno}",
            expected="plain assignments such as `epochs = 5`",
        ) from cause
    return tuple(dict.fromkeys(name for statement in tree.body for name in _assigned(statement)))


def _assigned(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def _cells(path: Path) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(path.read_bytes())
        metadata, cells = notebook["metadata"], notebook["cells"]
        language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    except (FileNotFoundError, IsADirectoryError) as cause:
        raise NotFoundError(f"no notebook {path}", hint="mend the step's `notebook` in the pipeline file") from cause
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise PipelineError(f"{path} is no notebook", expected="JSON of notebook format 4", got=repr(cause)) from cause
    if language not in (None, "python", "ipython"):
        raise PipelineError(f"{path} is written in {language}", expected="a Python notebook")
    return list(cells)
