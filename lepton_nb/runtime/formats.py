"""The files a served model is made of, and the identifier of a prediction. Standard library only.

Every file is one JSON object with `format: 1`. A newer number is refused; unknown keys are ignored.

A prediction line (one per row answered, in `log-<pid>-<seq>.jsonl`) reads
`{"format": 1, "id": UUIDv7, "time": s, "slot": "champion", "version": "name:tag", "inputs": {column: value},
"outputs": {"label": text, "probabilities": [...]}, "latency_ms": x}`, where a model that tells no class has
`"outputs": {name: value}`; a request that failed is one line
`{"format": 1, "id", "time", "slot", "version", "error": code, "status": 422, "latency_ms": x}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import ModelError
from .fields import Input, Output, Tokens

__all__ = [
    "FORMAT",
    "LARGEST_LABEL",
    "PREDICTION_ID",
    "Input",
    "Manifest",
    "Output",
    "Signature",
    "Tokens",
    "manifest_of",
    "read_object",
    "read_signature",
    "uuid7",
    "verify_manifest",
]

FORMAT = 1
# Beyond it sums of squared errors would no longer be finite numbers.
LARGEST_LABEL = 1e100
MODEL_FILE = "model.onnx"
SIGNATURE_FILE = "signature.json"
MANIFEST_FILE = "manifest.json"
TASKS = ("classification", "regression", "multilabel", "tensors")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of one file of ours.

    Raises:
        ModelError: the file is absent, not an object of ours, or newer than `FORMAT`.
    """
    try:
        value = json.loads(path.read_bytes())
        version = int(value["format"])
    except OSError as cause:
        raise ModelError(f"{path} cannot be read: {cause.strerror}") from cause
    except (ValueError, KeyError, TypeError) as cause:
        raise ModelError(f"{path} is not a JSON object with a format number") from cause
    if version > FORMAT:
        raise ModelError(f"{path} has format {version}, newer than format {FORMAT}, which this version reads")
    return dict(value)


@dataclass(frozen=True)
class Signature:
    """What a model takes and what it answers: `signature.json`.

    Args:
        task: `classification` (a class and the probabilities of all), `regression` (a number for each row, or several
            of one kind), `multilabel` (of each label, the probability that it holds), or `tensors` (any named outputs).
        classes: class names, in the order of the probabilities (classification).
        inputs: the inputs, in order.
        outputs: the outputs, in order; none for a classification. Of a regression quantiles may stand behind them.

    Example:
        >>> one = Signature("classification", ("no", "yes"), (Input("age", "number"),))
        >>> Signature.from_dict(one.to_dict()) == one
        True
    """

    task: str
    classes: tuple[str, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...] = ()

    @property
    def is_classification(self) -> bool:
        """Whether an answer is a class with the probabilities of all."""
        return not self.outputs

    @property
    def answers(self) -> tuple[Output, ...]:
        """The outputs that are answers themselves, without the quantiles that stand beside them."""
        return tuple(one for one in self.outputs if one.quantile is None)

    @property
    def quantiles(self) -> tuple[Output, ...]:
        """The outputs that say what the answers may be, the lowest first."""
        told = {one.quantile: one for one in self.outputs if one.quantile is not None}
        return tuple(told[level] for level in sorted(told))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with its format number."""
        value: dict[str, Any] = {"task": self.task, "classes": self.classes}
        value["inputs"] = [one.to_dict() for one in self.inputs]
        if self.outputs:
            value["outputs"] = [one.to_dict() for one in self.outputs]
        return {"format": FORMAT, **json.loads(json.dumps(value))}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Signature:
        """The signature of a JSON object.

        Raises:
            ModelError: a key is missing or of the wrong type.
        """
        try:
            inputs = tuple(Input.from_dict(one) for one in value["inputs"])
            outputs = tuple(Output.from_dict(one) for one in value.get("outputs") or ())
            signature = cls(str(value["task"]), tuple(map(str, value["classes"])), inputs, outputs)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as cause:
            raise ModelError(f"not a model signature: {type(cause).__name__} {cause}") from cause
        if signature.task not in TASKS or bool(outputs) != (signature.task != "classification"):
            raise ModelError(f"not a model signature: task {signature.task!r} with {len(outputs)} outputs")
        return signature


def read_signature(folder: Path) -> Signature:
    """The signature that lies in a model folder."""
    return Signature.from_dict(read_object(folder / SIGNATURE_FILE))


@dataclass(frozen=True)
class Manifest:
    """Which files belong to a model, and where it came from: `manifest.json`.

    Args:
        files: SHA-256 (hexadecimal) per file name.
        run: id of the training run.
        data: hash of the data set.
        created: seconds since the epoch.
    """

    files: Mapping[str, str]
    run: str
    data: str
    created: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with its format number."""
        return {"format": FORMAT, **asdict(self)}


def manifest_of(folder: Path, *, run: str, data: str) -> Manifest:
    """The manifest of every file that lies in `folder` now, itself excepted."""
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST_FILE}
    return Manifest(files, run, data)


def verify_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder, when every file is there, unchanged, and nothing else is.

    Raises:
        ModelError: a file is missing, changed, not listed, or not a plain file; the message names it.
    """
    value = read_object(folder / MANIFEST_FILE)
    try:
        manifest = Manifest(dict(value["files"]), str(value["run"]), str(value["data"]), float(value["created"]))
    except (KeyError, TypeError, ValueError) as cause:
        raise ModelError(f"{folder / MANIFEST_FILE} is not a manifest: {type(cause).__name__} {cause}") from cause
    found = {path.name for path in folder.iterdir()} - {MANIFEST_FILE}
    if unlisted := sorted(found - set(manifest.files)):
        raise ModelError(f"{folder / unlisted[0]} is not listed in {MANIFEST_FILE}")
    for name, expected in manifest.files.items():
        path = folder / name
        if name not in found:
            raise ModelError(f"{path} is listed in {MANIFEST_FILE} but missing")
        if path.is_symlink() or not path.is_file():
            raise ModelError(f"{path} is not a plain file")
        if _sha256(path) != expected:
            raise ModelError(f"{path} is not the file that {MANIFEST_FILE} lists: its SHA-256 differs")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_ticks_lock = threading.Lock()
_last_tick = 0


# A UUIDv7, with the number of the row behind it where it was one of many.
PREDICTION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(\.\d{1,9})?")


def uuid7() -> str:
    """A new UUIDv7 as text: its order is the order of time, strictly so within a process.

    The 12 bits after the milliseconds hold the fraction of a millisecond (RFC 9562, section 6.2, method 3), and
    a call within the same tick takes the next one.

    Example:
        >>> first, second = uuid7(), uuid7()
        >>> first < second, first[14], len(first)
        (True, '7', 36)
    """
    global _last_tick  # noqa: PLW0603 - the last tick given out belongs to the process
    with _ticks_lock:
        _last_tick = tick = max(time.time_ns() * 4096 // 1_000_000, _last_tick + 1)
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    value = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | tail
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
