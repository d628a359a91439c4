"""From a Bento to the files that run it elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import UsageError
from ...records import Bento, Written
from ..handing import Part, hand_over
from . import docker, kubernetes, systemd
from .plan import Plan

__all__ = ["TARGETS", "deploy"]

_PARTS: dict[str, Callable[[Plan], dict[str, Part]]] = {
    "docker": docker.parts,
    "kubernetes": kubernetes.parts,
    "systemd": systemd.parts,
}
_STEPS: dict[str, Callable[[Plan, Path], tuple[str, ...]]] = {
    "docker": docker.steps,
    "kubernetes": kubernetes.steps,
    "systemd": systemd.steps,
}
TARGETS = tuple(_PARTS)


def deploy(
    bento: Bento, target: str, folder: Path, *, image: str | None = None, replicas: int | None = None
) -> Written:
    """Write the files that run a Bento elsewhere. Nothing is started, and no secret is in them.

    Args:
        bento: what is to run.
        target: `docker`, `kubernetes` or `systemd`.
        folder: where the files go, made when absent.
        image: name of the container image (default: the Bento's name and version).
        replicas: pods in Kubernetes (default 2), else worker processes (default 1).

    Returns:
        The files, and the commands that bring the service up.

    Raises:
        UsageError: a target, a name of an image or a number of replicas that is not allowed.
        ServingError: the Bento is broken, or older than what is written for it.
        ConflictError: a file of somebody else's is in the way.
    """
    if target not in TARGETS:
        raise UsageError(f"nothing is written for {target!r}", expected=", ".join(TARGETS))
    plan = Plan.of(bento, image, (2 if target == "kubernetes" else 1) if replicas is None else replicas)
    files = hand_over(folder, target, _PARTS[target](plan))
    return Written(f"{bento.tag} for {target}", folder, files, _STEPS[target](plan, folder))
