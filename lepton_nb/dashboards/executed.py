"""An executed notebook to look at: rendered without anything that runs."""

from __future__ import annotations

import functools
from typing import Any

from .. import pipelines
from ..errors import NotFoundError
from ..workspace import Workspace

__all__ = ["SANDBOX", "executed"]

# Whatever an output holds: the browser runs no script of this page, loads nothing, and gives it no origin.
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def executed(ws: Workspace, run: str, step: str) -> str:
    """The executed notebook of a step as HTML.

    Args:
        ws: the workspace.
        run: id of the pipeline's run.
        step: name of the step.

    Raises:
        NotFoundError: there is no such run, step or notebook.
        FormatError: the run's records are broken.
    """
    found = next((one for one in pipelines.status(ws, run).steps if one.name == step), None)
    if found is None or not found.notebook.is_file():
        raise NotFoundError(f"run {run} has no executed notebook of step {step!r}")
    body, _ = _exporter().from_filename(str(found.notebook))
    return str(body)


@functools.cache
def _exporter() -> Any:
    import importlib

    return importlib.import_module("nbconvert").HTMLExporter(
        sanitize_html=True, mathjax_url="", require_js_url="", jquery_url="", embed_images=True
    )
