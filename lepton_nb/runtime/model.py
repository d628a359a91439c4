"""The model itself: one verified `model.onnx`, from typed inputs to probabilities."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ModelError
from .formats import MODEL_FILE, Manifest, Signature, read_signature, verify_manifest
from .onnxfile import stands_alone

__all__ = ["Model", "onnx_runtime"]

# What ONNX Runtime calls the type of each kind of input.
_TYPES = {"number": "tensor(double)", "category": "tensor(string)", "array": "tensor(float)"}
OUTPUT = "probabilities"


class Model:
    """A model folder, loaded. Made by `Model.load`.

    Args:
        signature: what it takes and what it answers.
        manifest: its files and its origin.
        session: the ONNX Runtime session.
    """

    def __init__(self, signature: Signature, manifest: Manifest, session: Any) -> None:
        self.signature, self.manifest, self._session = signature, manifest, session

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> Model:
        """Load a model folder after checking every file of it against its manifest.

        Args:
            folder: holds `model.onnx`, `signature.json` and `manifest.json`.
            threads: threads of one prediction; workers scale better than threads.

        Raises:
            ModelError: a file is missing or changed, the graph is not in one file, or it does not fit its signature.
        """
        ort = onnx_runtime()
        manifest = verify_manifest(folder)
        signature = read_signature(folder)
        path = folder / MODEL_FILE
        if MODEL_FILE not in manifest.files:
            raise ModelError(f"{path} is missing")
        # The bytes that are checked are the ones that are run, whatever happens to the file meanwhile.
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest.files[MODEL_FILE]:
            raise ModelError(f"{path} is not the file that manifest.json lists: its SHA-256 differs")
        if not stands_alone(content):
            raise ModelError(f"{path} refers to other files; a model is one file")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as cause:
            raise ModelError(f"{path} is not a model that ONNX Runtime loads: {cause}") from cause
        _check_graph(path, session, signature)
        return cls(signature, manifest, session)

    def warm_up(self) -> None:
        """Answer one empty row, so that the first request does not pay for what the session sets up.

        Raises:
            ModelError: the graph cannot be run.
        """
        empty = {"number": np.nan, "category": "", "array": 0.0}
        try:
            self.predict({one.name: np.full((1, *one.shape), empty[one.kind]) for one in self.signature.inputs})
        except Exception as cause:
            raise ModelError(f"the model fails on an empty row: {cause}") from cause

    def predict(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Probabilities of N rows.

        Args:
            inputs: per input N values: numbers float64 [N] or [N, 1] (NaN = missing), categories text [N] or [N, 1]
                (None or "" = missing), arrays float32 [N, *shape].

        Returns:
            float32 [N, C], one column per class of the signature.
        """
        feed = {one.name: _column(inputs[one.name], one.kind, one.shape) for one in self.signature.inputs}
        answer: np.ndarray[Any, np.dtype[np.float32]] = self._session.run([OUTPUT], feed)[0]
        return answer


def onnx_runtime() -> Any:
    """ONNX Runtime, told not to report to its makers what it does, which it must hear before it is imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def _column(values: Any, kind: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    array = np.asarray(values)
    if kind == "number":
        return array.astype(np.float64, copy=False).reshape(len(array), 1)
    if kind == "array":
        return np.ascontiguousarray(array, np.float32).reshape(len(array), *shape)
    values = array.reshape(len(array))
    if array.dtype != object or set(map(type, values.tolist())) - {str}:
        values = np.array(["" if value is None else str(value) for value in values], dtype=object)
    column: np.ndarray[Any, Any] = values.reshape(len(array), 1)
    return column


def _check_graph(path: Path, session: Any, signature: Signature) -> None:
    found = {one.name: one.type for one in session.get_inputs()}
    expected = {one.name: _TYPES[one.kind] for one in signature.inputs}
    if found != expected:
        raise ModelError(f"{path} takes {found}, but its signature says {expected}")
    outputs = {one.name: one.shape for one in session.get_outputs()}
    if OUTPUT not in outputs:
        raise ModelError(f"{path} has no output {OUTPUT!r}")
    width, classes = outputs[OUTPUT][-1] if outputs[OUTPUT] else None, len(signature.classes)
    if isinstance(width, int) and width != classes:
        raise ModelError(f"{path} answers {width} probabilities, but its signature names {classes} classes")
