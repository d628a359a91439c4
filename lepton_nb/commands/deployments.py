"""`lepton deployments`: what is served."""

from __future__ import annotations

from .. import records
from ..workspace import current


def deployments() -> records.Deployments:
    """List deployments and whether they run."""
    from .. import serving

    return serving.deployments(current())
