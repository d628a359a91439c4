"""`lepton pipeline`: notebooks as steps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Literal

from ..errors import StorageError, UsageError
from ..records import Graph, Note, PipelineRun, Starter
from ..workspace import Workspace, current, write_atomic
from .declare import Arg, Opt
from .find import named, options_of
from .host import current_host
from .refusals import require_writable


def pipeline_run(
    file: Annotated[Path, Arg("a pipeline's .yml file.", "FILE")],
    *,
    parameter: Annotated[tuple[str, ...], Opt("A parameter of the pipeline, as name=value.", "K=V", "-p")] = (),
    jobs: Annotated[int, Opt("Steps that run at the same time.")] = 2,
    start: Annotated[str | None, Opt("Do this step and all behind it anew.", "STEP", "--from")] = None,
    only: Annotated[str | None, Opt("Do this step alone, with what it needs as it is.", "STEP")] = None,
    force: Annotated[bool, Opt("Do every step anew.")] = False,
    on: Annotated[Literal["local", "ray"], Opt("Where steps run: here, or on a Ray cluster.")] = "local",
) -> PipelineRun:
    """Run the steps of a pipeline, each a notebook on a kernel of its own.

    It runs in the project that holds the file, unless LEPTON_HOME names another.

    What is done already is not done again: a step whose code, parameters, inputs and environment are as they were is
    taken from the cache, and a run that was interrupted or failed goes on from where it was.
    """
    from .. import pipelines

    asked: dict[str, Any] = {"jobs": jobs, "start": start, "only": only, "force": force}
    ws, values, report = _project_of(Path(file)), options_of(parameter), current_host().report
    if on == "local":
        return pipelines.run(ws, Path(file), values, report, **asked)
    from ..pipelines.executors.ray import RayExecutor

    executor = RayExecutor()
    try:
        return pipelines.run(ws, Path(file), values, report, executor=executor, **asked)
    finally:
        executor.stop()


def pipeline_status(run: Annotated[str, Arg("id, unique prefix, pipeline or last.", "[RUN]")] = "last") -> PipelineRun:
    """Show each step of a pipeline run: state, time, memory, outputs."""
    from .. import pipelines

    return pipelines.status(current(), str(named(run, PipelineRun)))


def pipeline_graph(
    source: Annotated[
        object, Arg("a pipeline's .yml file, or a run: id, unique prefix, pipeline or last.", "FILE|RUN")
    ],
    *,
    follow: Annotated[bool, Opt("Draw it whenever a step of the run moves, until the run ends.")] = False,
    out: Annotated[Path | None, Opt("Write the drawing to this .svg file.")] = None,
) -> Graph | PipelineRun:
    """Draw the steps of a pipeline and what each one needs; for a run, with how each stands.

    Returns:
        The graph; when it was followed, the run as it ended.
    """
    from .. import pipelines

    if out is not None:
        _check_drawing(out := Path(out))
    source = named(source, PipelineRun)
    drawn: Graph | PipelineRun
    if Path(str(source)).suffix in (".yml", ".yaml") and not isinstance(source, PipelineRun):
        drawn = pipelines.graph(str(source))
    elif follow:
        drawn = pipelines.follow(current(), str(source), current_host().report)
    else:
        drawn = pipelines.status(current(), str(source)).graph()
    if out is not None:
        write_atomic(out, (drawn.graph() if isinstance(drawn, PipelineRun) else drawn).svg())
        current_host().report(Note(time.time(), f"the drawing is in {out.absolute()}"))
    return drawn


def pipeline_new(
    name: Annotated[str, Arg("of the pipeline and its files.", "[NAME]")] = "starter",
    *,
    folder: Annotated[Path | None, Opt("Where it is written (default: notebooks/pipelines of the project).")] = None,
    retrain: Annotated[bool, Opt("One that trains a deployed model anew, for lepton watch.")] = False,
) -> Starter:
    """Write a small pipeline to start from: a grid, a condition, files and outputs."""
    from .. import pipelines

    return pipelines.new(current(), name, folder, retrain=retrain)


def _project_of(file: Path) -> Workspace:
    """The workspace of the project that holds a pipeline file; it is told where that is not the current folder's."""
    ws = current(file.resolve().parent)
    if ws != current() and file.is_file():
        current_host().report(Note(time.time(), f"the pipeline runs in its own project, {ws.root}"))
    return ws


def _check_drawing(out: Path) -> None:
    if out.suffix.lower() != ".svg":
        raise UsageError(f"--out {out} has an unknown kind", expected="a name that ends in .svg")
    if not out.absolute().parent.is_dir():
        raise StorageError(f"--out {out}: there is no folder {out.absolute().parent}", hint="make it first")
    require_writable(out)
