"""The graph of a network on a loaded data set of texts, which takes token ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PackagingError
from ..runtime import Signature
from .golden import is_close
from .named import signed
from .network import exported, sampled
from .trained import Form, outputs_of

__all__ = ["text_graph"]

_COMPARED = 8


def text_graph(
    network: Any, prepared: NDArray[np.int64], width: int, form: Form, signature: Signature
) -> tuple[Any, Any, Signature]:
    """A network as ONNX, with how its texts are filled up.

    Args:
        network: a module in eval mode; its forward takes token ids int64 [N, L].
        prepared: those of rows that it did not learn from, filled up to as many as may be.
        width: numbers that it gives for a row.
        form: what it answers.
        signature: of the model; its only input is a text.

    Returns:
        The graph, the exporter's program, and the signature: texts are filled up to the longest one beside them where
        the graph takes any length and padding does not change an answer, else all to one length.

    Raises:
        InexpressibleError: ONNX cannot express the network.
    """
    (text,) = signature.inputs
    tokens = text.tokens
    if tokens is None:
        raise PackagingError(f"input {text.name!r} has no tokenizer", hint="load the data again")
    is_free = _ignores_padding(network, prepared, width)
    graph, program = exported(network, sampled(prepared), form, tokens.ids)
    is_free = is_free and bool(graph.graph.input[0].type.tensor_type.shape.dim[1].dim_param)
    made = replace(signature, inputs=(replace(text, tokens=replace(tokens, fixed=not is_free)),))
    return signed(graph), program, made


def _ignores_padding(network: Any, prepared: NDArray[np.int64], width: int) -> bool:
    """Whether texts are answered alike with and without padding behind them."""
    rows = prepared[:_COMPARED]
    answers = outputs_of(network, rows, width)
    for row, size in enumerate((rows != 0).sum(axis=1).tolist()):
        try:
            alone = outputs_of(network, rows[row : row + 1, : max(1, size)], width)
        except PackagingError:
            return False
        if not is_close(alone, answers[row : row + 1]).all():
            return False
    return len(rows) > 0
