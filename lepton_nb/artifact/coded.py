"""A network that ONNX cannot express: its source, its weights, and its preprocessing as a graph.

Python source is code: whoever loads such a folder runs it. Nothing loads one by itself.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import features, preprocessing, read
from ..data import sample as sample_of
from ..errors import FormatError, PackagingError
from ..models import WRITTEN, load_trained, load_weights
from ..records import Data, Run
from ..runtime import ModelError, Signature, read_object, read_signature
from ..runtime.onnxfile import stands_alone
from ..scores import classification_scores
from ..workspace import mask, read_json, write_atomic, write_json
from .folder import seal
from .golden import GOLDEN, check_answers, golden_of
from .graph import alone
from .preparation import export_preparation
from .reference import reference_of, signature_of
from .trained import gives_probabilities, network_probabilities, outputs_of, softmax

__all__ = ["Coded", "assemble_coded"]

_SOURCE, _BUILT, _WEIGHTS, _PREPARATION = "network.py", "network.json", "weights.safetensors", "preparation.onnx"
_WARNING = (
    f"This package holds {_SOURCE}, Python source that ONNX cannot express: whoever loads the network runs it. "
    "It is imported with --allow-code only."
)


@dataclass(frozen=True)
class Coded:
    """A network rebuilt from its source, with its preprocessing in front.

    Args:
        signature: what it takes and what it answers.
        network: the torch module, in evaluation mode.
        preparation: the ONNX Runtime session of the preprocessing.
        is_softmax: whether the network gives logits.
    """

    signature: Signature
    network: Any
    preparation: Any
    is_softmax: bool

    @classmethod
    def load(cls, folder: Path) -> Coded:
        """Run the source in a folder, and build the network with its weights.

        Args:
            folder: what `assemble_coded` wrote, found to be what its manifest says.

        Raises:
            FormatError: a file is broken, or the source does not run here.
        """
        from ..runtime.model import onnx_runtime

        ort = onnx_runtime()

        try:
            stated, signature = read_object(folder / _BUILT), read_signature(folder)
            options = ast.literal_eval(str(stated["options"]))
            network = _run(folder / _SOURCE, str(stated["name"]))(**options)
            load_weights(folder / _WEIGHTS, network)
            session = ort.InferenceSession(_alone(folder / _PREPARATION), providers=["CPUExecutionProvider"])
        except FormatError:
            raise
        except Exception as cause:  # the source is anybody's, and may raise anything
            raise FormatError(
                f"the network in {folder} cannot be built here",
                got=f"{type(cause).__name__}: {cause}",
                hint="install what network.py imports, in the versions that sbom.json lists",
            ) from cause
        return cls(signature, network.cpu().eval(), session, bool(stated["softmax"]))

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Probabilities of N rows, float64 [N, C]; inputs as `runtime.Model.predict` takes them."""
        feed = {one.name: _fed(inputs[one.name], one.kind, one.shape) for one in self.signature.inputs}
        prepared = self.preparation.run(None, feed)[0]
        outputs = outputs_of(self.network, prepared, len(self.signature.classes))
        return softmax(outputs) if self.is_softmax else outputs

    def check_golden(self, folder: Path) -> float:
        """The largest difference to the golden batch of its folder.

        Raises:
            PackagingError: it answers otherwise.
        """
        from ..runtime.rows import arrays_of

        golden = read_object(folder / GOLDEN)
        return check_answers(self.predict(arrays_of(golden["rows"], self.signature)), golden)


def assemble_coded(folder: Path, run: Run, data: Data) -> None:
    """Write a network as source, weights and preprocessing, with signature, reference, golden batch and card.

    Args:
        folder: an empty folder.
        run: a run that ended with weights.
        data: the data it was trained on.

    Raises:
        PackagingError: the source is not known, or what is built from it answers otherwise than the network.
    """
    stated = _stated(run)
    network, signature = load_trained(run.path), signature_of(data)
    outputs = outputs_of(network, features(data, "validation")[0], len(data.classes))
    is_softmax = not gives_probabilities(outputs)
    expected, inputs = softmax(outputs) if is_softmax else outputs, read(data, "validation")[0]
    write_atomic(folder / _SOURCE, mask(stated["text"]))
    built = {"name": stated["name"], "options": stated["options"], "softmax": is_softmax, "warning": _WARNING}
    write_json(folder / _BUILT, built)
    shutil.copyfile(run.path / _WEIGHTS, folder / _WEIGHTS)
    front = alone(export_preparation(data, preprocessing(data)), [one.name for one in signature.inputs])
    write_atomic(folder / _PREPARATION, front.SerializeToString(deterministic=True))
    write_json(folder / "signature.json", signature.to_dict())
    seen = (sample_of if data.streamed else read)(data, "train")[0]
    write_json(folder / "reference.json", reference_of(signature, seen, expected).to_dict())
    write_json(folder / GOLDEN, golden_of(signature, inputs, expected))
    coded = Coded.load(folder)
    coded.check_golden(folder)
    write_json(folder / "card.json", _card(coded, run, data))
    seal(folder, run=run.id, data=data.id)


def _stated(run: Run) -> dict[str, Any]:
    """What was noted of the source when the training started."""
    try:
        stated = read_json(run.path / "job" / WRITTEN)
    except FileNotFoundError:
        stated = {"fault": "it was not recorded when the training started"}
    if not stated.get("text"):
        raise PackagingError(
            f"the source of network {run.model} cannot be packaged",
            expected="a class whose source, with what it uses, can be written down as one module",
            got=str(stated.get("fault", "")),
            hint="train it again with lepton train, from a cell that defines all that it uses",
        )
    return stated


def _card(coded: Coded, run: Run, data: Data) -> dict[str, Any]:
    """Quality and time of the network itself; its answers are torch's, not those of a graph."""
    inputs, targets = read(data, "test")
    rows = [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(min(len(targets), 50))]
    spent = []
    for row in rows:
        began = time.perf_counter()
        coded.predict(row)
        spent.append((time.perf_counter() - began) * 1e3)
    return {
        "run": run.id,
        "data": data.id,
        "part": "test",
        "rows": len(targets),
        "classes": list(data.classes),
        "metrics": classification_scores(network_probabilities(run, data, "test"), targets) if len(targets) else {},
        "parameters": sum(value.numel() for value in coded.network.parameters()),
        "latency_p50_ms": float(np.percentile(spent, 50)) if spent else None,
        "latency_p95_ms": float(np.percentile(spent, 95)) if spent else None,
        "code": True,
        "warning": _WARNING,
    }


def _alone(graph: Path) -> bytes:
    content = graph.read_bytes()
    if not stands_alone(content):
        raise ModelError(f"{graph.name} refers to other files")
    return content


def _run(source: Path, name: str) -> Any:
    """Run a module and give a class of it."""
    content = source.read_bytes()
    module = ModuleType(f"lepton_network_{hashlib.sha256(content).hexdigest()[:12]}")
    # Where code looks for its own module, such as dataclasses do.
    sys.modules[module.__name__] = module
    exec(compile(content, str(source), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - asked for by name
    return getattr(module, name)


def _fed(values: Any, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.asarray(values)
    if kind == "array":
        return np.ascontiguousarray(array, np.float32).reshape(len(array), *shape)
    column = array.reshape(len(array), 1)
    if kind == "number":
        return column.astype(np.float64)
    return np.array([[str(value or "")] for value in column[:, 0]], dtype=object)
