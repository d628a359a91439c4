"""ExecuTorch: the network for phones and small boards, one row at a time, lowered to XNNPACK where it can be."""

from __future__ import annotations

from importlib import util
from typing import Any

import torch

from ...artifact.network import quiet
from ...errors import MissingError, PackagingError
from .formats import Made, Subject
from .program import exported, whole_of

__all__ = ["make", "require"]


def require() -> None:
    """Refuse when ExecuTorch is not installed.

    Raises:
        MissingError: it is not.
    """
    if util.find_spec("executorch") is None:
        raise MissingError("package executorch is not installed", hint="pip install executorch, then export again")


def make(subject: Subject) -> Made:
    """The network as an ExecuTorch program.

    Args:
        subject: what is exported.

    Raises:
        PackagingError: ExecuTorch cannot express it.
    """
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

    whole = whole_of(subject).of_one_length()
    program = exported(whole, subject, rows=1)
    try:
        with quiet():
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    except Exception as cause:
        raise PackagingError(
            f"ExecuTorch cannot express network {subject.run.model}", got=f"{type(cause).__name__}: {cause}"[:300]
        ) from cause
    content = bytes(lowered.buffer)
    note = f"{whole.note}, one row at a time".replace("[N", "[1")
    return Made(
        content,
        whole.predictor(_opened(content, is_many=subject.network is not None)),
        prepared=whole.prepared,
        note=note,
    )


def _opened(content: bytes, *, is_many: bool) -> Any:
    """The program in ExecuTorch's own runtime, row by row; of several outputs a tuple."""
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    # It has one pool of threads for the whole process, which runs nothing but what is measured here.
    if (reset := getattr(portable_lib, "_unsafe_reset_threadpool", None)) is not None:
        reset(1)
    method = Runtime.get().load_program(content).load_method("forward")

    def answer(*given: torch.Tensor) -> Any:
        # The runtime answers in memory that its next answer takes again.
        parts = [
            [one.clone() for one in method.execute([value[row : row + 1].contiguous() for value in given])]
            for row in range(len(given[0]))
        ]
        found = tuple(torch.cat(one) for one in zip(*parts, strict=True))
        return found if is_many else found[0]

    return answer
