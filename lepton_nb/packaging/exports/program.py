"""`torch.export`: the network as a graph that torch runs without the code it was written in.

A .pt2 file is for torch alone, and is opened by unpickling parts of it: open those only that you know the origin of.
"""

from __future__ import annotations

import io
from typing import Any, cast

import torch

from ...artifact.network import quiet, reason_of
from ...errors import PackagingError
from ...models.recurrent import as_torch_has_it
from ...records import Data
from .formats import Made, Subject
from .tensors import Tensors
from .whole import Whole

__all__ = ["exported", "make", "require", "whole_of"]


def require() -> None:
    """Nothing that is not there: torch trained the network."""


def make(subject: Subject) -> Made:
    """The network as a program of torch.

    Args:
        subject: what is exported.

    Raises:
        PackagingError: `torch.export` cannot follow its forward.
    """
    whole = whole_of(subject)
    # Two rows at least: a single one would be taken for a constant of the graph.
    program = exported(whole, subject, rows=2)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    content = stream.getvalue()
    # What is measured is what is in the file; it is our own, made above.
    module = torch.export.load(io.BytesIO(content)).module()
    return Made(content, whole.predictor(module), prepared=whole.prepared, note=whole.note)


def whole_of(subject: Subject) -> Whole | Tensors:
    """What is exported as one module of torch."""
    if subject.network is not None:
        return Tensors(subject.network)
    return Whole(subject, cast("Data", subject.data))


def exported(whole: Whole | Tensors, subject: Subject, *, rows: int) -> Any:
    """The program of a network.

    Args:
        whole: the network.
        subject: what is exported.
        rows: 1 for exactly one row at a time, 2 for any number.

    Raises:
        PackagingError: `torch.export` cannot follow its forward.
    """
    shapes = whole.lengths() if rows > 1 else None
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(whole, whole.sample(rows), dynamic_shapes=shapes)
    except Exception as cause:
        reason, hint = reason_of(cause)
        raise PackagingError(
            f"torch.export cannot express network {subject.run.model}", got=reason, hint=hint
        ) from cause
    as_torch_has_it(program)
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            # They hold source paths of this machine.
            node.meta.pop("stack_trace", None)
    return program
