"""A network that ONNX cannot express: its source, its weights, and its preprocessing as a graph.

Python source is code: whoever loads such a folder runs it. Nothing loads one by itself.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..data import features, preprocessing, read
from ..data import sample as sample_of
from ..errors import FormatError, PackagingError
from ..models import WRITTEN, load_trained, load_weights
from ..records import Data, Run, plain
from ..runtime import ModelError, Signature, read_object, read_signature
from ..runtime.answers import Answers
from ..runtime.onnxfile import stands_alone
from ..runtime.tokens import Tokenizer, tokenizers_of
from ..scores import task_scores
from ..workspace import mask, read_json, write_atomic, write_json
from .folder import TOKENIZER, seal
from .golden import GOLDEN, check_answers, golden_of
from .graph import alone
from .loaded_texts import filled_up
from .named import ask
from .network import PROBABILITIES
from .preparation import export_preparation
from .reference import reference_of, signature_of
from .trained import Form, Head, form_of, network_probabilities, outputs_of, probabilities_of

__all__ = ["WARNING", "Coded", "assemble_coded", "stated_of", "write_network"]

# What `network.json` says of a network on loaded data by a key of its own.
_HEADS = ("softmax", "sigmoids")
_SOURCE, _BUILT, _WEIGHTS, _PREPARATION = "network.py", "network.json", "weights.safetensors", "preparation.onnx"
WARNING = (
    f"This package holds {_SOURCE}, Python source that ONNX cannot express: whoever loads the network runs it. "
    "It is imported with --allow-code only."
)


@dataclass(frozen=True)
class Coded:
    """A network rebuilt from its source, with its preprocessing in front.

    Args:
        signature: what it takes and what it answers.
        network: the torch module, in evaluation mode.
        preparation: the ONNX Runtime session of the preprocessing; None of a network on texts, or on loaders.
        head: what makes probabilities of what the network gives.
        tokenizers: of the inputs that are texts, by their names.
        is_loaded: whether the network was trained on loaded data, and takes one prepared input.
    """

    signature: Signature
    network: Any
    preparation: Any
    head: Head = ""
    tokenizers: Mapping[str, Tokenizer] = field(default_factory=dict)
    is_loaded: bool = True

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
            session, is_loaded = None, stated.get("head") is None
            if is_loaded and not any(one.tokens for one in signature.inputs):
                session = ort.InferenceSession(_alone(folder / _PREPARATION), providers=["CPUExecutionProvider"])
            tokenizers = {
                one.name: Tokenizer(one.name, one.tokens, (folder / one.tokens.file).read_bytes())
                for one in signature.inputs
                if one.tokens
            }
        except FormatError:
            raise
        except Exception as cause:  # the source is anybody's, and may raise anything
            raise FormatError(
                f"the network in {folder} cannot be built here",
                got=f"{type(cause).__name__}: {cause}",
                hint="install what network.py imports, in the versions that sbom.json lists",
            ) from cause
        head = cast("Head", str(stated.get("head") or next((one for one in _HEADS if stated.get(one)), "")))
        return cls(signature, network.cpu().eval(), session, head, tokenizers, is_loaded)

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> Answers:
        """Probabilities of N rows, float64 [N, C], or other outputs by their names.

        Args:
            inputs: as `runtime.Model.predict` takes them.
        """
        if not self.is_loaded:
            return self._told(inputs)
        prepared = self._prepared(inputs)
        names = tuple(one.name for one in self.signature.outputs)
        scores = outputs_of(self.network, prepared, len(names or self.signature.classes))
        return Form(self.head, names).of(scores)

    def _prepared(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        if self.preparation is None:
            ((name, tokenizer),) = self.tokenizers.items()
            (ids,) = tokenizer.feed(np.asarray(inputs[name]).tolist()).values()
            return ids
        feed = {one.name: _fed(inputs[one.name], one.kind, one.shape) for one in self.signature.inputs}
        prepared: NDArray[Any] = self.preparation.run(None, feed)[0]
        return prepared

    def _told(self, inputs: Mapping[str, NDArray[Any]]) -> Answers:
        feed: dict[str, NDArray[Any]] = {}
        for one in self.signature.inputs:
            if one.kind == "text":
                feed |= self.tokenizers[one.name].feed(np.asarray(inputs[one.name]).tolist())
            else:
                feed[one.name] = np.ascontiguousarray(inputs[one.name], one.dtype)
        answers = self.ask(feed)
        if self.signature.is_classification:
            return answers[PROBABILITIES]
        return {
            one.name: answers[one.name] if one.shape else answers[one.name].reshape(-1)
            for one in self.signature.outputs
        }

    def ask(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What a network on loaders of its own gives, by the names of the outputs.

        Args:
            feed: what its forward takes: of a text its token ids.
        """
        found = ask(self.network, feed, [one.name for one in self.signature.outputs])
        if self.signature.is_classification:
            return {PROBABILITIES: probabilities_of(next(iter(found.values())).astype(np.float64), self.head)}
        return found

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
    stated = stated_of(run)
    network = load_trained(run.path)
    # Whoever loads the network may ask it for its quantiles himself.
    form = dataclasses.replace(form_of(network, data), quantiles=())
    signature, inputs = signature_of(data, form), read(data, "validation")[0]
    expected = form.asked(network, features(data, "validation")[0], data.width)
    # Without a `head` it is known that a preparation stands in front.
    write_network(folder, run, stated, softmax=form.head == "softmax", sigmoids=form.head == "sigmoids")
    if data.kind == "text":
        signature = filled_up(network, features(data, "validation")[0], data.width, signature)
        write_atomic(folder / TOKENIZER, preprocessing(data).content)
    else:
        front = alone(export_preparation(data, preprocessing(data)), [one.name for one in signature.inputs])
        write_atomic(folder / _PREPARATION, front.SerializeToString(deterministic=True))
    write_json(folder / "signature.json", signature.to_dict())
    seen = (sample_of if data.streamed else read)(data, "train")[0]
    write_json(
        folder / "reference.json",
        reference_of(signature, seen, expected, tokenizers=tokenizers_of(folder, signature)).to_dict(),
    )
    write_json(folder / GOLDEN, golden_of(signature, inputs, expected))
    coded = Coded.load(folder)
    coded.check_golden(folder)
    write_json(folder / "card.json", plain(_card(coded, run, data)))
    seal(folder, run=run.id, data=data.id)


def write_network(folder: Path, run: Run, stated: Mapping[str, Any], *, softmax: bool, **more: object) -> None:
    """Write a run's network as source and weights, with how it is built.

    Args:
        folder: an empty folder.
        run: a run that ended with weights.
        stated: of `stated_of`.
        softmax: whether it gives logits of classes.
        more: whether it gives logits of labels (`sigmoids`); of a network on loaders of its own its `head`.
    """
    write_atomic(folder / _SOURCE, mask(stated["text"]))
    built = {"name": stated["name"], "options": stated["options"], "softmax": softmax, "warning": WARNING, **more}
    write_json(folder / _BUILT, built)
    shutil.copyfile(run.path / _WEIGHTS, folder / _WEIGHTS)


def stated_of(run: Run) -> dict[str, Any]:
    """What was noted of the source when the training started.

    Raises:
        PackagingError: it is not known.
    """
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
        "task": data.task,
        "metrics": task_scores(data.task, network_probabilities(run, data, "test"), targets) if len(targets) else {},
        "parameters": sum(value.numel() for value in coded.network.parameters()),
        "latency_p50_ms": float(np.percentile(spent, 50)) if spent else None,
        "latency_p95_ms": float(np.percentile(spent, 95)) if spent else None,
        "code": True,
        "warning": WARNING,
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
