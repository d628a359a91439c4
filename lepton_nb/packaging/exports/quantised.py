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
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization

from ...artifact.folder import MODEL
from ...data import features, sample
from ...errors import PackagingError
from ...records import Data
from .formats import Made, Subject
from .measuring import choosing_of
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
            # Of a run on loaders or on texts the network is all there is but for what makes probabilities of it, of
            # operators that stay as they are.
            kept = kept if isinstance(subject.data, Data) and subject.data.kind != "text" else []
        except Exception as cause:
            raise _refused(subject, cause) from cause
        made, reason = _static(subject, source, target, kept, inputs)
        if made is not None:
            yardstick = choosing_of(subject)
            lost = yardstick.lost(made)
            if lost <= _MOST_LOST:
                return made
            what = f"of the {yardstick.part} rows" if yardstick.accuracy is not None else "of the answers' spread"
            reason = f"static quantisation loses {lost:.1%} {what}"
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
    subject: Subject, source: Path, target: Path, kept: list[str], inputs: Sequence[Mapping[str, NDArray[Any]]]
) -> tuple[Made | None, str]:
    rows = sum(len(next(iter(one.values()))) for one in inputs)
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
    content, graph = path.read_bytes(), onnx.load(path).graph
    if not any("Quantize" in node.op_type or "Integer" in node.op_type for node in graph.node):
        return None, "the network has no layer with weights that can be held in 8 bits"
    # A mask of minus infinity has no range that eight bits could stand for.
    if not all(np.isfinite(onnx.numpy_helper.to_array(one)).all() for one in graph.initializer if _is_scale(one)):
        return None, "a layer's values have no finite range"
    return of_bytes(subject, content, note), ""


def _is_scale(one: Any) -> bool:
    return bool(one.name.endswith("_scale")) and one.data_type == onnx.TensorProto.FLOAT


class _Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Rows of the training part, a few at a time, as the graph takes them."""

    def __init__(self, inputs: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        self._parts = iter(
            [
                {name: values[start : start + _ROWS_AT_ONCE] for name, values in one.items()}
                for one in inputs
                for start in range(0, len(next(iter(one.values()))), _ROWS_AT_ONCE)
            ]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next rows, or None behind the last ones."""
        return next(self._parts, None)


def _shaped(subject: Subject) -> list[Mapping[str, NDArray[Any]]]:
    """Some training rows in the types and shapes of the graph's inputs."""
    if subject.network is not None:
        examples, some, rows = subject.network.examples, [], 0
        for one in examples.train or examples.validation:
            if rows < _CALIBRATION_ROWS:
                some.append(one)
                rows += one.rows
        return list(subject.network.over(some).batches)
    data = cast("Data", subject.data)
    if data.kind == "text" and (tokens := data.columns[0].tokens):
        return [{tokens.ids: features(data, "train")[0][:_CALIBRATION_ROWS]}]
    raw, _ = sample(data, "train", _CALIBRATION_ROWS)
    shaped = {}
    for column in data.columns:
        values = raw[column.name]
        if column.kind == "array":
            shaped[column.name] = np.ascontiguousarray(values, np.float32)
        else:
            shaped[column.name] = values.reshape(-1, 1)
    return [shaped]


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keep quiet what the quantiser logs, which would give the root logger a handler for good, and NumPy's warnings."""
    silent = logging.NullHandler()
    logging.root.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.removeHandler(silent)


def _refused(subject: Subject, cause: object) -> PackagingError:
    return PackagingError(
        f"the graph of {subject.run.model} cannot be quantised", got=str(cause)[:300], hint="--to onnx keeps float32"
    )
