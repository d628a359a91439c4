"""The model itself: one verified `model.onnx`, from typed inputs to probabilities or other named outputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .answers import Answers, joined
from .errors import ModelError, RequestError
from .fields import DTYPES
from .formats import MODEL_FILE, Input, Manifest, Signature, read_signature, verify_manifest
from .onnxfile import stands_alone
from .tokens import Tokenizer

__all__ = ["Model", "onnx_runtime"]

# What ONNX Runtime calls the type of a column.
_TYPES = {"number": "tensor(double)", "category": "tensor(string)"}
OUTPUT = "probabilities"
# Texts are filled up to the longest one beside them: so many rows, and so many tokens, are run at a time, else one
# request of short texts and a long one would fill the memory.
_TEXTS_AT_ONCE, _TOKENS_AT_ONCE = 256, 16_384
_MOST_BYTES = 2**30
# What ONNX Runtime says of a row that a table does not have.
_BEYOND = "indices element out of data bounds"


class Model:
    """A model folder, loaded. Made by `Model.load`.

    Args:
        signature: what it takes and what it answers.
        manifest: its files and its origin.
        session: the ONNX Runtime session.
        tokenizers: of the inputs that are texts, by their names.
    """

    def __init__(
        self,
        signature: Signature,
        manifest: Manifest,
        session: Any,
        tokenizers: Mapping[str, Tokenizer] | None = None,
    ) -> None:
        self.signature, self.manifest, self._session = signature, manifest, session
        self._tokenizers = tokenizers or {}
        self._outputs = [one.name for one in signature.outputs] or [OUTPUT]
        self._texts = {one.name: one.tokens for one in signature.inputs if one.tokens}

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
        path, content = folder / MODEL_FILE, _listed(folder, MODEL_FILE, manifest)
        tokenizers = {
            one.name: Tokenizer(one.name, one.tokens, _listed(folder, one.tokens.file, manifest))
            for one in signature.inputs
            if one.tokens
        }
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
        return cls(signature, manifest, session, tokenizers)

    def warm_up(self, rows: int = 1) -> None:
        """Answer empty rows, so that the first request does not pay for what the session sets up.

        Args:
            rows: how many, in one run.

        Raises:
            ModelError: the graph cannot be run.
        """
        feed: dict[str, np.ndarray[Any, Any]] = {}
        for one in self.signature.inputs:
            if one.kind == "text":
                feed |= self._tokenizers[one.name].empty(rows)
            else:
                feed[one.name] = _column(_empty(one, rows), one.kind, one.shape, one.dtype)
        try:
            self._session.run(self._outputs, feed)
        except Exception as cause:
            raise ModelError(f"the model fails on an empty row: {cause}") from cause

    def predict(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Any:
        """What the model answers to N rows; where it takes texts, some hundred of them at a time.

        Args:
            inputs: per input N values: numbers float64 [N] or [N, 1] (NaN = missing), categories text [N] or [N, 1]
                (None or "" = missing), arrays [N, *shape] of their type, texts [N].

        Returns:
            For a classification its probabilities, float32 [N, C], one column per class of the signature; else a
            dict of arrays [N, *shape] by the name of the output.

        Raises:
            RequestError: a text has no token, or the answers do not fit into the memory.
        """
        if not self._texts:
            return self._told(self._feed(inputs, {}))
        rows, widths = len(next(iter(inputs.values()))), self._widths(inputs)
        parts: list[Answers] = []
        for start in range(0, rows, _TEXTS_AT_ONCE):
            some = {name: values[start : start + _TEXTS_AT_ONCE] for name, values in inputs.items()}
            try:
                feed = self._feed(some, widths)
            except RequestError as fault:
                raise fault.behind(start) from None
            longest = max(feed[tokens.ids].shape[1] for tokens in self._texts.values())
            step = max(1, _TOKENS_AT_ONCE // longest)
            for first in range(0, min(rows - start, _TEXTS_AT_ONCE), step):
                parts.append(self._told({name: values[first : first + step] for name, values in feed.items()}))
                _refuse_large(parts[0], rows)
        return joined(parts)

    def _widths(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, int]:
        """Tokens of the longest text of each input, where the length of an answer may follow from it."""
        rows = len(next(iter(inputs.values())))
        if rows <= _TEXTS_AT_ONCE or not any(-1 in one.shape for one in self.signature.outputs):
            return {}
        starts = range(0, rows, _TEXTS_AT_ONCE)
        return {
            name: max(self._tokenizers[name].longest(inputs[name][at : at + _TEXTS_AT_ONCE].tolist()) for at in starts)
            for name in self._texts
        }

    def _feed(
        self, inputs: Mapping[str, np.ndarray[Any, Any]], widths: Mapping[str, int]
    ) -> dict[str, np.ndarray[Any, Any]]:
        """What the graph takes."""
        feed: dict[str, np.ndarray[Any, Any]] = {}
        for one in self.signature.inputs:
            if one.kind == "text":
                texts = np.asarray(inputs[one.name]).tolist()
                feed |= self._tokenizers[one.name].feed(texts, widths.get(one.name, 0))
            else:
                feed[one.name] = _column(inputs[one.name], one.kind, one.shape, one.dtype)
        return feed

    def _told(self, feed: Mapping[str, np.ndarray[Any, Any]]) -> Answers:
        answers = self.ask(feed)
        if self.signature.is_classification:
            return answers[OUTPUT]
        # A graph may give a number as [N, 1].
        return {
            one.name: answers[one.name] if one.shape else answers[one.name].reshape(-1)
            for one in self.signature.outputs
        }

    def ask(self, feed: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """What the graph itself gives, by names.

        Args:
            feed: what it takes, as it takes it: of a text its token ids.

        Raises:
            RequestError: 422, a whole number stands for no row of a table of the graph.
        """
        try:
            found = self._session.run(self._outputs, dict(feed))
        except Exception as cause:
            self._refuse_unknown(cause)
            raise
        return dict(zip(self._outputs, found, strict=True))

    def _refuse_unknown(self, cause: Exception) -> None:
        """Raise when a graph whose only whole numbers are the request's own was given one that it has no place for."""
        names = [one.name for one in self.signature.inputs if one.kind == "array" and one.dtype.startswith("int")]
        if names and not self._texts and type(cause).__name__ == "InvalidArgument" and _BEYOND in str(cause):
            text = f"a whole number of {', '.join(map(repr, names[:20]))} is beyond those that the model knows"
            raise RequestError(422, "out_of_range", text) from None


def onnx_runtime() -> Any:
    """ONNX Runtime, told not to report to its makers what it does, which it must hear before it is imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def _listed(folder: Path, name: str, manifest: Manifest) -> bytes:
    """The bytes of a file. Those that are checked are the ones that are used, whatever happens to it meanwhile."""
    path = folder / name
    if name not in manifest.files:
        raise ModelError(f"{path} is missing")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.files[name]:
        raise ModelError(f"{path} is not the file that manifest.json lists: its SHA-256 differs")
    return content


def _refuse_large(part: Answers, rows: int) -> None:
    """Raise when the answers to so many rows, of which some are there, would fill the memory."""
    values = [part] if isinstance(part, np.ndarray) else list(part.values())
    whole = sum(one.nbytes for one in values) // len(values[0]) * rows
    if whole > _MOST_BYTES:
        text = (
            f"the answers to {rows} rows have {whole >> 20} MiB, expected {_MOST_BYTES >> 20} at most: send fewer rows"
        )
        raise RequestError(413, "too_large", text)


def _empty(one: Input, rows: int) -> np.ndarray[Any, Any]:
    """Rows without anything in them; a length that may differ is one."""
    value = {"number": np.nan, "category": "", "array": 0}[one.kind]
    return np.full((rows, *(max(size, 1) for size in one.shape)), value)


def _column(values: Any, kind: str, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    array = np.asarray(values)
    if kind == "number":
        return array.astype(np.float64, copy=False).reshape(len(array), 1)
    if kind == "array":
        whole = np.ascontiguousarray(array, dtype)
        return whole if -1 in shape else whole.reshape(len(array), *shape)
    values = array.reshape(len(array))
    if array.dtype != object or set(map(type, values.tolist())) - {str}:
        values = np.array(["" if value is None else str(value) for value in values], dtype=object)
    column: np.ndarray[Any, Any] = values.reshape(len(array), 1)
    return column


def _expected(one: Input) -> dict[str, str]:
    """The inputs of the graph that stand for one of the model, with their types."""
    if (tokens := one.tokens) is None:
        return {one.name: _TYPES.get(one.kind) or DTYPES[one.dtype][0]}
    expected = {tokens.ids: DTYPES[tokens.dtype][0]}
    expected |= {tokens.mask: DTYPES[tokens.mask_dtype][0]} if tokens.mask else {}
    expected |= {tokens.zeros: DTYPES[tokens.zeros_dtype][0]} if tokens.zeros else {}
    return expected | ({tokens.lengths: DTYPES["int64"][0]} if tokens.lengths else {})


def _check_graph(path: Path, session: Any, signature: Signature) -> None:
    found = {one.name: one.type for one in session.get_inputs()}
    expected: dict[str, str] = {}
    for one in signature.inputs:
        expected |= _expected(one)
    if found != expected:
        raise ModelError(f"{path} takes {found}, but its signature says {expected}")
    told = {one.name: one.type for one in session.get_outputs()}
    for output in signature.outputs:
        if told.get(output.name) != DTYPES[output.dtype][0]:
            raise ModelError(f"{path} has no output {output.name!r} of type {output.dtype}")
    if signature.outputs:
        return
    outputs = {one.name: one.shape for one in session.get_outputs()}
    if OUTPUT not in outputs:
        raise ModelError(f"{path} has no output {OUTPUT!r}")
    width, classes = outputs[OUTPUT][-1] if outputs[OUTPUT] else None, len(signature.classes)
    if isinstance(width, int) and width != classes:
        raise ModelError(f"{path} answers {width} probabilities, but its signature names {classes} classes")
