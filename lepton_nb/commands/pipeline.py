"""`lepton pipeline`: notebooks as steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..records import Graph, PipelineRun
from ..workspace import current
from .declare import Arg, Opt
from .find import options_of
from .host import current_host

_FILE = Arg("a pipeline's .yml file.", "FILE")


def pipeline_run(
    file: Annotated[Path, _FILE],
    *,
    parameter: Annotated[tuple[str, ...], Opt("A parameter of the pipeline, as name=value.", "K=V", "-p")] = (),
    jobs: Annotated[int, Opt("Steps that run at the same time.")] = 2,
) -> PipelineRun:
    """Run the steps of a pipeline, each a notebook on a kernel of its own."""
    from .. import pipelines

    return pipelines.run(current(), Path(file), options_of(parameter), report=current_host().report, jobs=jobs)


def pipeline_status(run: Annotated[str, Arg("id, unique prefix or last.", "[RUN]")] = "last") -> PipelineRun:
    """Show each step of a pipeline run: state, time, memory, outputs."""
    from .. import pipelines

    return pipelines.status(current(), run)


def pipeline_graph(file: Annotated[Path, _FILE]) -> Graph:
    """Draw the steps of a pipeline and what each one needs."""
    from .. import pipelines

    return pipelines.graph(Path(file))
