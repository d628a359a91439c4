"""Preprocessing as an ONNX graph: typed columns or an array in, what the network sees out."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

from ..errors import PackagingError
from ..records import Data
from .network import FEATURES, OPSET

__all__ = ["export_preparation"]


def export_preparation(data: Data, fitted: Any) -> onnx.ModelProto:
    """The preprocessing of a data set as ONNX.

    It computes what the fitted object computes, in the same precision: numbers are scaled in float64 before they are
    narrowed, so that a small difference between two large numbers keeps its digits.

    Args:
        data: the data set.
        fitted: the ColumnTransformer or the Normaliser that `data.preprocessing` gave.

    Returns:
        A model with one input per column, in order, and one output `features`. Numbers come as float64 [rows, 1],
        categories as text [rows, 1] ("" = missing), arrays as float32 [rows, *shape].

    Raises:
        PackagingError: a step of the preprocessing has no ONNX form.
    """
    if data.kind == "array":
        return _array(data, fitted)
    types = [
        (column.name, (DoubleTensorType if column.kind == "number" else StringTensorType)([None, 1]))
        for column in data.columns
    ]
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            model: onnx.ModelProto = convert_sklearn(
                fitted,
                initial_types=types,
                target_opset={"": OPSET, "ai.onnx.ml": 3},
            )
    except Exception as cause:
        raise PackagingError(
            f"the preprocessing of data {data.name} has no ONNX form", got=f"{type(cause).__name__}: {cause}"
        ) from cause
    # The converter writes down the lowest opset that its nodes need; they mean the same in the one asked for.
    next(one for one in model.opset_import if not one.domain).version = OPSET
    made = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Cast", [made], [FEATURES], name="to_float32", to=TensorProto.FLOAT))
    del model.graph.output[:]
    model.graph.output.append(_features(data.feature_shape))
    return model


def _array(data: Data, normaliser: Any) -> onnx.ModelProto:
    """`(input - mean) / std`, channel by channel, in float32 as the normaliser does it."""
    shape = data.columns[0].shape
    constants = [
        numpy_helper.from_array(value, name)
        for value, name in zip(normaliser.broadcast(1 + len(shape)), ("mean", "std"), strict=True)
    ]
    nodes = [
        helper.make_node("Sub", ["given", "mean"], ["centred"], name="centre"),
        helper.make_node("Div", ["centred", "std"], [FEATURES], name="scale"),
    ]
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["rows", *shape])
    graph = helper.make_graph(nodes, "preparation", [given], [_features(data.feature_shape)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _features(shape: Sequence[int]) -> Any:
    return helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["rows", *shape])
