"""`lepton client`: how another program asks a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..records import Deployment, Written
from ..workspace import current
from .declare import Arg, Opt
from .find import named


def client(
    deployment: Annotated[object, Arg("name.", "DEPLOYMENT", completes="deployment")],
    *,
    lang: Annotated[Literal["python", "java", "curl"], Opt("Language of the client.")] = "python",
    out: Annotated[Path | None, Opt("Folder for the files (default: NAME-client-LANG).", "FOLDER")] = None,
) -> Written:
    """Write a small typed client of a deployment: retries, a timeout, the token from LEPTON_TOKEN.

    Returns:
        The files, and the commands that try them.
    """
    from .. import serving
    from ..serving.clients import make_client

    asked = named(deployment, Deployment)
    found = asked if isinstance(asked, Deployment) else serving.get(current(), str(asked))
    return make_client(found, lang, out or Path(f"{found.name}-client-{lang}"))
