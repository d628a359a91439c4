"""`lepton serve`, `promote` and `rollback`: a Bento becomes a service, and another takes its place."""

from __future__ import annotations

from typing import Annotated

from ..errors import UsageError
from ..records import Deployment, Logs
from ..workspace import current
from .declare import Arg, Opt
from .find import bento_of
from .host import current_host

_DEPLOYMENT = Arg("name of a deployment.", "DEPLOYMENT", completes="deployment")


def serve(
    bento: Annotated[object, Arg("tag, name (latest) or run.", "BENTO", completes="bento")],
    *,
    name: Annotated[str | None, Opt("Name of the deployment (default: the Bento's).")] = None,
    port: Annotated[int, Opt("Port on this machine; 0 takes a free one.")] = 3000,
    workers: Annotated[int, Opt("Worker processes.")] = 1,
    public: Annotated[bool, Opt("Listen to other machines; LEPTON_ALLOWED_HOSTS names the hosts answered.")] = False,
    log: Annotated[str, Opt("durable (each answer waits for the disk), sample=0.1, or both with a comma.")] = "",
    log_inputs: Annotated[str, Opt("yes, no or hash; for single columns hash:ssn,email;no:name.")] = "yes",
    log_url: Annotated[str, Opt("Copy sealed parts of the log there, a URL of fsspec.", "URL")] = "",
    keep: Annotated[str, Opt("Remove parts of the log after this time, such as 30d (default: never).")] = "",
) -> Deployment:
    """Serve a Bento on this machine's loopback address, behind a token, until it is stopped."""
    from .. import serving

    ws, report = current(), current_host().report
    served = serving.serve(
        ws,
        bento_of(ws, bento),
        name=name,
        report=report,
        port=port,
        workers=workers,
        public=public,
        log=log,
        log_inputs=log_inputs,
        log_url=log_url,
        keep=keep,
    )
    serving.point_aliases(ws, served, report)
    return served


def promote(
    deployment: Annotated[object, _DEPLOYMENT],
    bento: Annotated[object, Arg("what shall answer (default: the challenger).", "[BENTO]", completes="bento")] = None,
    *,
    canary: Annotated[str, Opt("Share of the keys that it answers as challenger, such as 10%.", "SHARE")] = "",
    shadow: Annotated[bool, Opt("As challenger it answers everything, and nobody sees its answers.")] = False,
    why: Annotated[str, Opt("Reason, for the record.", "TEXT")] = "",
) -> Deployment:
    """Have another Bento answer in a deployment: all requests, a share of them, or all of them unseen.

    It returns when every worker answers from it; no request fails meanwhile.
    """
    from .. import serving

    ws = current()
    found = None if bento is None else bento_of(ws, bento)
    report = current_host().report
    changed = serving.promote(
        ws, str(deployment), found, canary=share_of(canary), shadow=shadow, why=why, report=report
    )
    serving.point_aliases(ws, changed, report)
    return changed


def rollback(
    deployment: Annotated[object, _DEPLOYMENT],
    *,
    why: Annotated[str, Opt("Reason, for the record.", "TEXT")] = "",
) -> Deployment:
    """Take a deployment's challenger away, or have what answered before the last promotion answer again."""
    from .. import serving

    ws, report = current(), current_host().report
    changed = serving.rollback(ws, str(deployment), why=why, report=report)
    serving.point_aliases(ws, changed, report)
    return changed


def logs(
    deployment: Annotated[object, _DEPLOYMENT],
    *,
    lines: Annotated[int, Opt("How many lines.")] = 50,
) -> Logs:
    """Show the last lines that a deployment's server wrote."""
    from .. import serving

    return serving.logs(current(), str(deployment), lines)


def share_of(text: str) -> float:
    """A share from `10%` or `0.1`; 0 for none."""
    if not text:
        return 0.0
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise UsageError(f"--canary {text} is no share", expected="such as 10% or 0.1")
    return value
