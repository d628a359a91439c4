"""`lepton output`: what a step gives to the steps after it."""

from __future__ import annotations

from typing import Annotated

from ..records import Outputs
from .declare import Arg
from .find import options_of


def output(values: Annotated[tuple[str, ...], Arg("name=value, one or more.", "NAME=VALUE...")]) -> Outputs:
    """Report values of this notebook to the pipeline; outside of a pipeline, only show them."""
    from .. import pipelines

    for name, value in (pairs := options_of(tuple(values))).items():
        pipelines.record_output(name, value)
    return Outputs(tuple(pairs.items()), recorded=pipelines.in_step())
