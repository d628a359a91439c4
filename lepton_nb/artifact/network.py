"""A trained network as an ONNX graph: prepared features in, probabilities out."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from ..errors import InexpressibleError
from ..models.recurrent import translations
from .operators import OPSET, known_operators
from .trained import Form

__all__ = [
    "ANY_ROWS",
    "FEATURES",
    "OPSET",
    "PROBABILITIES",
    "Answering",
    "exported",
    "quiet",
    "reason_of",
    "sampled",
    "without_traces",
]

FEATURES, PROBABILITIES = "features", "probabilities"
# What to do about a graph that holds for one number of rows alone.
ANY_ROWS = "leave the number of rows open in forward: x.flatten(1), not x.view(32, -1)"

_LOGGERS = ("torch", "onnxscript", "onnx_ir", "onnx")


class Answering(torch.nn.Module):
    """A network with what makes answers of its scores.

    Args:
        network: in eval mode.
        form: what it answers.
        width: numbers that it gives for a row.
    """

    def __init__(self, network: torch.nn.Module, form: Form, width: int) -> None:
        super().__init__()
        self.network: Any = network
        self._head, self._names, self._width = form.head, form.names, width
        self._has_quantiles = bool(form.quantiles)

    def forward(self, features: torch.Tensor) -> Any:
        """Probabilities [N, C]; or a number for each row per output, [N] each, then quantiles of all, [N, C] each."""
        scores: torch.Tensor = self.network(features)
        if self._head == "softmax":
            scores = torch.softmax(scores, dim=1)
        elif self._head == "sigmoids":
            scores = torch.sigmoid(scores)
        whole = scores.float() if scores.ndim == 2 else scores.float().reshape(-1, self._width)
        if self._has_quantiles:
            # The exporter computes once what both have in common.
            return (*whole.unbind(1), *self.network.quantiles(features).float().unbind(2))
        return whole.unbind(1) if self._names else whole


def exported(
    network: torch.nn.Module, sample: NDArray[Any], form: Form, lengths: str = ""
) -> tuple[onnx.ModelProto, Any]:
    """The network as ONNX, for any number of rows.

    Args:
        network: a module in eval mode, on the CPU; its forward takes [N, *feature_shape].
        sample: at least two prepared rows, float32 [N, *feature_shape], or token ids int64 [N, L]; only their shape
            matters.
        form: what it answers.
        lengths: of token ids the name of the input, which takes rows of any length where the network allows it.

    Returns:
        A model with input `features` float32 [rows, *feature_shape] and output `probabilities` float32 [rows, C], or
        one output float32 [rows] per name of `form` and one [rows, C] per quantile; and the exporter's program: what it
        froze cannot be had by exporting again.

    Raises:
        InexpressibleError: ONNX cannot express the network; the message names the operator or the reason.
    """
    name = type(network).__name__
    try:
        with quiet(), known_operators():
            program = torch.onnx.export(
                Answering(network, form, max(1, len(form.names))).eval(),
                (torch.from_numpy(sample),),
                dynamo=True,
                dynamic_shapes=(
                    {0: torch.export.Dim("rows", min=1)} | ({1: torch.export.Dim.AUTO} if lengths else {}),
                ),
                input_names=[lengths or FEATURES],
                output_names=list(form.outputs) or [PROBABILITIES],
                opset_version=OPSET,
                external_data=False,
                custom_translation_table=translations(),
                verbose=False,
            )
            model = without_traces(program.model_proto) if program else onnx.ModelProto()
    except Exception as cause:
        reason, hint = reason_of(cause)
        raise InexpressibleError(f"ONNX cannot express network {name}", got=reason, hint=hint) from cause
    if not model.graph.input or not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise InexpressibleError(
            f"ONNX cannot express network {name} for any number of rows",
            got=f"a graph for exactly {len(sample)} rows",
            hint=ANY_ROWS,
        )
    return model, program


def sampled(prepared: NDArray[Any]) -> NDArray[Any]:
    """The first rows for an exporter, three at least: a single one would be taken for a constant of the graph."""
    sample = np.zeros((3, *prepared.shape[1:]), prepared.dtype)
    sample[: len(prepared)] = prepared[:3]
    return sample


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's progress marks, log records and warnings off the screen; errors still are raised."""
    existing = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    ours = {logging.getLogger(name) for name in _LOGGERS} | {
        one for one in existing if one.name.split(".")[0] in _LOGGERS
    }
    levels = {one: one.level for one in ours}
    try:
        for one in ours:
            one.setLevel(logging.CRITICAL + 1)
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in levels.items():
            one.setLevel(level)


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the stack traces, which hold source paths of this machine."""
    for graph in [model.graph, *model.functions]:
        for node in graph.node:
            _strip_node(node)
        del graph.value_info[:], graph.metadata_props[:]
    del model.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    return model


def _strip_node(node: Any) -> None:
    del node.metadata_props[:]
    node.doc_string = ""
    for attribute in node.attribute:
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            del graph.value_info[:], graph.metadata_props[:]
            for inner in graph.node:
                _strip_node(inner)


def reason_of(cause: BaseException) -> tuple[str, str]:
    """What stood in the way, and what to do about it."""
    chain = [cause]
    while (below := chain[-1].__cause__ or chain[-1].__context__) and below not in chain:
        chain.append(below)
    text = "\n".join(map(str, chain))
    if found := re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", text):
        return f"operator {found[1]}, which ONNX does not have", "compute this part of forward with other operators"
    if "data-dependent" in text or "GuardOnDataDependent" in text:
        line = re.search(r"The following call raised this error:\s+File [^\n]*\n\s*([^\n]+)", text)
        where = f" at `{line[1].strip()}`" if line else ""
        return (
            f"a forward that takes another path for other values{where}",
            "use torch.where instead of a Python condition on a tensor",
        )
    root = chain[-1]
    first = next((line.strip() for line in str(root).splitlines() if line.strip()), "")
    return f"{type(root).__name__}: {first[:300]}", "change this part of forward to what torch.export accepts"
