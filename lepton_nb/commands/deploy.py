"""`lepton deploy`: a Bento on machines of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..records import Written
from ..workspace import current
from .declare import Arg, Opt
from .find import bento_of


def deploy(
    bento: Annotated[object, Arg("tag, name (latest) or run.", "BENTO", completes="bento")],
    *,
    to: Annotated[Literal["docker", "kubernetes", "systemd"], Opt("Where it is to run.")],
    out: Annotated[Path | None, Opt("Folder for the files (default: NAME-TARGET).", "FOLDER")] = None,
    image: Annotated[str | None, Opt("Name of the image (default: the Bento's name and version).", "NAME")] = None,
    replicas: Annotated[
        int | None, Opt("Pods (default 2); with Docker and systemd worker processes (default 1).")
    ] = None,
) -> Written:
    """Write the files that run a Bento with Docker, Kubernetes or systemd; nothing is started.

    Returns:
        The files, and the commands that bring the service up.
    """
    from ..serving.deploying import deploy as write

    found = bento_of(current(), bento)
    folder = out or Path(f"{found.tag.partition(':')[0]}-{to}")
    return write(found, to, folder, image=image, replicas=replicas)
