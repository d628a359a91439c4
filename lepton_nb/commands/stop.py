"""`lepton stop`: end a deployment, a run, a study, a watch or a dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from ..errors import AmbiguousError, NotFoundError, TrackingError
from ..records import Dashboard, Deployment, Result, Run, Study, Watch
from ..workspace import Workspace, current
from .declare import Arg
from .find import named


def stop(
    name: Annotated[
        object, Arg("deployment, run, study, dashboard, or watch-DEPLOYMENT.", "NAME", completes="running")
    ],
) -> Result:
    """Stop a deployment, a running training, a study, a watch or a dashboard; what it recorded stays."""
    from .. import dashboards, loop, serving, training

    ws, value = current(), named(name, Deployment, Run, Dashboard, Watch, Study)
    text = str(value)
    stops: dict[str, Callable[[Workspace, str], Result]] = {
        "deployment": serving.stop,
        "run": training.stop,
        "dashboard": dashboards.stop,
        "watch": loop.stop,
        "study": training.stop_study,
    }
    kinds: dict[type, str] = {
        Deployment: "deployment",
        Run: "run",
        Dashboard: "dashboard",
        Watch: "watch",
        Study: "study",
    }
    if type(value) in kinds:
        return stops[kinds[type(value)]](ws, text)
    found = _kinds(ws, text)
    if len(found) > 1:
        hint = "stop the run by its id" if "run" in found else "stop one of them by its variable"
        raise AmbiguousError(f"{text!r} names more than one thing: {', '.join(found)}", hint=hint)
    if not found:
        known = _running(ws)
        expected = f"one of {', '.join(known)}" if known else ""
        hint = "" if known else "nothing runs here; lepton runs and lepton deployments list what ended"
        raise NotFoundError(f"nothing that runs is called {text!r}", expected=expected, hint=hint)
    return stops[found[0]](ws, text)


def _kinds(ws: Workspace, text: str) -> list[str]:
    """What is meant by a name: what runs, else what ended."""
    from .. import dashboards, loop, serving, tracking, training

    deployments = {one.name: one.status for one in serving.deployments(ws).deployments}
    found = ["deployment"] if deployments.get(text) == "running" else []
    found += ["dashboard"] if dashboards.is_running(ws, text) else []
    found += ["watch"] if loop.is_watched(ws, text) else []
    if training.is_study(ws, text):
        running = training.study_of(ws, text).status == "running"
        found += ["study"] if running else []
    ended = ["deployment"] if text in deployments else []
    ended += ["study"] if training.is_study(ws, text) else []
    # Asking the store costs seconds: not for a name that is found, while no run of this machine lives.
    if ws.runs.is_dir() and (tracking.living(ws) or not (found or ended)):
        try:
            run = tracking.find(ws, text)
        except (AmbiguousError, TrackingError):
            if found or ended:
                return found or ended
            raise
        if run is not None:
            (found if run.status == "running" else ended).append("run")
    return found or ended[:1]


def _running(ws: Workspace) -> list[str]:
    """What `stop` could end, as it is called."""
    from .. import dashboards, loop, serving, tracking, training

    names = [one.name for one in serving.deployments(ws).deployments if one.status == "running"]
    runs = (tracking.recorded(ws, run_id) for run_id in tracking.living(ws))
    names += [f"{run.name} ({run.id[:8]})" for run in runs if run.status == "running"]
    names += [one.name for one in training.studies(ws).studies if one.status == "running"]
    names += [one.name for one in loop.watches(ws).watches if one.status == "running"]
    pages = sorted((ws.home / "dashboard").glob("*/dashboard.json"))
    return names + [path.parent.name for path in pages if dashboards.is_running(ws, path.parent.name)]
