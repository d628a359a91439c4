"""`lepton pipeline`: notebooks as steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from ..records import Graph, PipelineRun, Starter
from ..workspace import current
from .declare import Arg, Opt
from .find import named, options_of
from .host import current_host


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

    What is done already is not done again: a step whose code, parameters, inputs and environment are as they were is
    taken from the cache, and a run that was interrupted or failed goes on from where it was.
    """
    from .. import pipelines

    asked: dict[str, Any] = {"jobs": jobs, "start": start, "only": only, "force": force}
    ws, values, report = current(), options_of(parameter), current_host().report
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
) -> Graph | PipelineRun:
    """Draw the steps of a pipeline and what each one needs; for a run, with how each stands.

    Returns:
        The graph; when it was followed, the run as it ended.
    """
    from .. import pipelines

    source = named(source, PipelineRun)
    if Path(str(source)).suffix in (".yml", ".yaml") and not isinstance(source, PipelineRun):
        return pipelines.graph(str(source))
    if follow:
        return pipelines.follow(current(), str(source), current_host().report)
    return pipelines.status(current(), str(source)).graph()


def pipeline_new(
    name: Annotated[str, Arg("of the pipeline and its files.", "[NAME]")] = "starter",
    *,
    folder: Annotated[Path | None, Opt("Where it is written (default: notebooks/pipelines of the project).")] = None,
) -> Starter:
    """Write a small pipeline to start from: a grid, a condition, files and outputs."""
    from .. import pipelines

    return pipelines.new(current(), name, folder)
