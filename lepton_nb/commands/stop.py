"""`lepton stop`: end a deployment, a run or a dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from ..errors import AmbiguousError, NotFoundError
from ..records import Dashboard, Deployment, Result, Run
from ..workspace import Workspace, current
from .declare import Arg
from .find import named


def stop(name: Annotated[object, Arg("deployment, run or dashboard.", "NAME")]) -> Result:
    """Stop a deployment, a running training or a dashboard; what it recorded stays."""
    from .. import dashboards, serving, training

    ws, value = current(), named(name, Deployment, Run, Dashboard)
    text = str(value)
    stops: dict[str, Callable[[Workspace, str], Result]] = {
        "deployment": serving.stop,
        "run": training.stop,
        "dashboard": dashboards.stop,
    }
    kinds: dict[type, str] = {Deployment: "deployment", Run: "run", Dashboard: "dashboard"}
    if type(value) in kinds:
        return stops[kinds[type(value)]](ws, text)
    found = _kinds(ws, text)
    if len(found) > 1:
        raise AmbiguousError(f"{text!r} names more than one thing: {', '.join(found)}", hint="stop the run by its id")
    if not found:
        known = [d.name for d in serving.deployments(ws).deployments if d.status == "running"]
        running = f"one of {', '.join(known)}" if known else ""
        raise NotFoundError(f"nothing that runs is called {text!r}", expected=running, hint="lepton deployments")
    return stops[found[0]](ws, text)


def _kinds(ws: Workspace, text: str) -> list[str]:
    from .. import dashboards, serving, tracking

    found = ["deployment"] if any(d.name == text for d in serving.deployments(ws).deployments) else []
    found += ["dashboard"] if dashboards.is_running(ws, text) else []
    # Asking the store costs seconds: not for a name that is found, while no run of this machine lives.
    if ws.runs.is_dir() and (tracking.living(ws) or not found):
        try:
            run = tracking.find(ws, text)
        except AmbiguousError:
            return found
        # A run that ended some other day is not what a person wants to stop.
        found += ["run"] if run and (run.status == "running" or not found) else []
    return found
