"""`lepton serve`: a Bento becomes a service."""

from __future__ import annotations

from typing import Annotated

from ..records import Deployment
from ..workspace import current
from .declare import Arg, Opt
from .find import bento_of
from .host import current_host


def serve(
    bento: Annotated[object, Arg("tag, name (latest) or run.", "BENTO", completes="bento")],
    *,
    name: Annotated[str | None, Opt("Name of the deployment (default: the Bento's).")] = None,
    port: Annotated[int, Opt("Port on this machine; 0 takes a free one.")] = 3000,
    workers: Annotated[int, Opt("Worker processes.")] = 1,
) -> Deployment:
    """Serve a Bento on this machine's loopback address, behind a token, until it is stopped."""
    from .. import serving

    ws = current()
    return serving.serve(ws, bento_of(ws, bento), name=name, port=port, workers=workers, report=current_host().report)
