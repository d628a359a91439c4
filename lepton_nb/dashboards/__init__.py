"""What do running models, trainings and pipelines look like, in pages that keep themselves up to date?"""

from .exporting import export
from .framing import framed
from .launcher import door, is_running, launch, page_path, stop
from .live import Page, deployment, deployments, fleet, pipelines, training

__all__ = [
    "Page",
    "deployment",
    "deployments",
    "door",
    "export",
    "fleet",
    "framed",
    "is_running",
    "launch",
    "page_path",
    "pipelines",
    "stop",
    "training",
]
