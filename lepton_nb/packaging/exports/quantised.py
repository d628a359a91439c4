"""`model.onnx` with the network's weights in 8 bits, by ONNX Runtime's quantisation.

Static quantisation (ranges of the activations from rows of the training part) where it keeps the answers, else dynamic
(ranges from each batch). Preprocessing in front and the softmax behind stay as they are: eight bits of a sum in
dollars, or of a probability, would be another model.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization

from ...artifact import network_probabilities
from ...artifact.folder import MODEL
from ...data import sample
from ...errors import PackagingError
from .formats import Made, Subject
from .measuring import Yardstick
from .onnx_file import of_bytes, require

__all__ = ["make", "require"]

_CALIBRATION_ROWS, _ROWS_AT_ONCE = 512, 32
# Static quantisation is kept as long as it errs on no more of the validation rows than this.
_MOST_LOST = 0.01
_OF_NETWORK = re.compile(r"_+network/")
# Where the time goes. Eight-bit convolutions of activations whose range is found in passing are slow everywhere.
_STATIC = ["Conv", "Gemm", "MatMul", "Relu", "MaxPool", "GlobalAveragePool", "AveragePool", "Add", "Flatten"]
_DYNAMIC = ["Gemm", "MatMul", "LSTM", "Gather", "Attention"]
# Seven of the eight bits per channel: processors without VNNI overflow with eight, and who will run it is not known.
_WEIGHTS = {"per_channel": True, "reduce_range": True, "weight_type": quantization.QuantType.QInt8}


def make(subject: Subject) -> Made:
    """The graph with weights in 8 bits.

    Args:
        subject: what is exported.

    Raises:
        PackagingError: there is nothing to quantise, or ONNX Runtime refuses.
    """
    inputs = _shaped(subject)
    with tempfile.TemporaryDirectory(prefix="lepton-export-") as place, _unlogged():
        source, target = Path(place) / "source.onnx", Path(place) / "target.onnx"
        try:
            kept = _prepare(subject.artifact.path / MODEL, source)
        except Exception as cause:
            raise _refused(subject, cause) from cause
        made, reason = _static(subject, source, target, kept, inputs)
        if made is not None:
            yardstick = Yardstick(
                subject.data, network_probabilities(subject.run, subject.data, "validation"), "validation"
            )
            lost = yardstick.lost(made)
            if lost <= _MOST_LOST:
                return made
            reason = f"static quantisation loses {lost:.1%} of the validation rows"
        other, why = _dynamic(subject, source, target, kept, reason)
        # The lesser evil; what it costs stands in the table.
        if made is not None and (other is None or yardstick.lost(other) > lost):
            return made
        if other is None:
            raise _refused(subject, f"{reason}; {why}")
        return other


def _prepare(path: Path, source: Path) -> list[str]:
    """Write the graph with the shapes that ranges are found by; the names of the nodes that keep their precision."""
    model = onnx.load(path)
    # A merged graph may name a domain once per part, which the quantiser takes for none at all.
    versions = {one.domain: one.version for one in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*one) for one in versions.items())
    inferred = onnx.shape_inference.infer_shapes(model)
    # Else the quantiser advises to do what is done here.
    onnx.helper.set_model_props(inferred, {"onnx.infer": "onnxruntime.quant"})
    onnx.save(inferred, source)
    return [node.name for node in model.graph.node if not _OF_NETWORK.match(node.name)]


def _static(
    subject: Subject, source: Path, target: Path, kept: list[str], inputs: Mapping[str, NDArray[Any]]
) -> tuple[Made | None, str]:
    rows = len(next(iter(inputs.values())))
    try:
        quantization.quantize_static(
            source,
            target,
            _Rows(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            op_types_to_quantize=_STATIC,
            nodes_to_exclude=kept,
            # The last layer's sums are compared with each other: they keep their digits.
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
            **_WEIGHTS,
        )
        return _opened(subject, target, f"static, calibrated on {rows} training rows")
    except Exception as cause:  # noqa: BLE001 - whatever it is, dynamic quantisation is the way out
        return None, f"static quantisation failed: {cause}"


def _dynamic(subject: Subject, source: Path, target: Path, kept: list[str], reason: str) -> tuple[Made | None, str]:
    try:
        quantization.quantize_dynamic(source, target, op_types_to_quantize=_DYNAMIC, nodes_to_exclude=kept, **_WEIGHTS)
        return _opened(subject, target, f"dynamic, since {reason}")
    except Exception as cause:  # noqa: BLE001 - the caller tells what was refused twice
        return None, f"dynamic quantisation failed: {cause}"


def _opened(subject: Subject, path: Path, note: str) -> tuple[Made | None, str]:
    content = path.read_bytes()
    if not any("Quantize" in node.op_type or "Integer" in node.op_type for node in onnx.load(path).graph.node):
        return None, "the network has no layer with weights that can be held in 8 bits"
    return of_bytes(subject, content, note), ""


class _Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Rows of the training part, a few at a time, as the graph takes them."""

    def __init__(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        count = len(next(iter(inputs.values())))
        self._parts = iter(
            [
                {name: values[start : start + _ROWS_AT_ONCE] for name, values in inputs.items()}
                for start in range(0, count, _ROWS_AT_ONCE)
            ]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next rows, or None behind the last ones."""
        return next(self._parts, None)


def _shaped(subject: Subject) -> dict[str, NDArray[Any]]:
    """Some training rows in the types and shapes of the graph's inputs."""
    raw, _ = sample(subject.data, "train", _CALIBRATION_ROWS)
    shaped = {}
    for column in subject.data.columns:
        values = raw[column.name]
        if column.kind == "array":
            shaped[column.name] = np.ascontiguousarray(values, np.float32)
        else:
            shaped[column.name] = values.reshape(-1, 1)
    return shaped


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """The quantiser logs by the root logger, which would give it a handler for good where there is none."""
    silent = logging.NullHandler()
    logging.root.addHandler(silent)
    try:
        yield
    finally:
        logging.root.removeHandler(silent)


def _refused(subject: Subject, cause: object) -> PackagingError:
    return PackagingError(
        f"the graph of {subject.run.model} cannot be quantised", got=str(cause)[:300], hint="--to onnx keeps float32"
    )
