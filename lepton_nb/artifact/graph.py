"""Two graphs become one: the preprocessing in front, the network behind."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import compose

from ..errors import PackagingError
from .network import FEATURES, OPSET, PROBABILITIES

__all__ = ["alone", "join"]

_IR_VERSION = 10
_PRODUCER = "lepton_nb"


def join(preparation: onnx.ModelProto, network: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """One graph from named inputs to `probabilities`.

    Args:
        preparation: gives `features`; its inputs are renamed to `names`, in order.
        network: takes `features`, gives `probabilities`.
        names: of the model's inputs.

    Raises:
        PackagingError: a name cannot be used in ONNX, or the graphs do not fit together.
    """
    _check_names(names)
    prefix = _prefix_of(names)
    front = compose.add_prefix(preparation, f"{prefix}prepare/", rename_inputs=False)
    behind = compose.add_prefix(network, f"{prefix}network/", rename_outputs=False)
    _rename_inputs(front, names)
    for model in (front, behind):
        model.ir_version, model.graph.name = _IR_VERSION, "model"
        model.producer_name, model.producer_version, model.domain, model.doc_string = _PRODUCER, "", "", ""
    pairs = [(f"{prefix}prepare/{FEATURES}", f"{prefix}network/{FEATURES}")]
    try:
        merged = compose.merge_models(front, behind, io_map=pairs, producer_name=_PRODUCER)
        merged.graph.name = "model"
        onnx.checker.check_model(merged)
    except Exception as cause:
        raise PackagingError(
            "preprocessing and network do not fit together",
            expected=f"ONNX opset {OPSET} with the same features",
            got=str(cause),
        ) from cause
    return merged


def alone(preparation: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """The preprocessing as a graph of its own, from named inputs to one output of features.

    Args:
        preparation: gives `features`; it is changed.
        names: of the inputs, in order.

    Raises:
        PackagingError: a name cannot be used in ONNX.
    """
    _check_names(names)
    prefix = _prefix_of(names)
    front = compose.add_prefix(preparation, f"{prefix}prepare/", rename_inputs=False)
    _rename_inputs(front, names)
    front.ir_version, front.producer_name, front.producer_version = _IR_VERSION, _PRODUCER, ""
    onnx.checker.check_model(front)
    return front


def _check_names(names: Sequence[str]) -> None:
    if odd := [name for name in names if not name or name == PROBABILITIES]:
        raise PackagingError(
            f"column {odd[0]!r} cannot be an input of the model",
            expected=f"a name that is not empty and not {PROBABILITIES!r}, the name of the output",
            hint="rename the column and load the data again",
        )


def _prefix_of(names: Sequence[str]) -> str:
    """A prefix that no column has: any text may be a column's name."""
    prefix = "_"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _rename_inputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    new = {value.name: name for value, name in zip(model.graph.input, names, strict=True)}
    for value in model.graph.input:
        value.name = new[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = new.get(name, name)
