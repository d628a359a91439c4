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

__all__ = ["filled_up", "text_graph"]

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
    made = filled_up(network, prepared, width, signature)
    (text,) = made.inputs
    graph, program = exported(network, sampled(prepared), form, text.tokens.ids if text.tokens else "")
    if not graph.graph.input[0].type.tensor_type.shape.dim[1].dim_param:
        made = _filled_up(made, fixed=True)
    return signed(graph), program, made


def filled_up(network: Any, prepared: NDArray[np.int64], width: int, signature: Signature) -> Signature:
    """A signature that says how texts are filled up: where padding changes an answer, to one length.

    Args:
        network: as the rest, see `text_graph`.
        prepared: some rows.
        width: numbers of a row.
        signature: of the model.
    """
    return _filled_up(signature, fixed=not _ignores_padding(network, prepared, width))


def _filled_up(signature: Signature, *, fixed: bool) -> Signature:
    (text,) = signature.inputs
    tokens = replace(text.tokens, fixed=fixed) if text.tokens else None
    return replace(signature, inputs=(replace(text, tokens=tokens),))


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
