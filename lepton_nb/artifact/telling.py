"""What lies beside a graph with named inputs and outputs: signature, reference, golden batch and card."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PackagingError
from ..models import Examples
from ..records import Run
from ..runtime import Distribution, Input, Output, Reference, Signature
from ..runtime.embedding import answer_features
from ..runtime.fields import DTYPES
from ..runtime.model import Model
from ..runtime.summary import features_of
from ..scores import HELD_OUT_FILE
from ..workspace import write_json
from .coded import Coded
from .golden import GOLDEN, golden_of
from .named import embeddings
from .quality import scores_of, tally_of
from .reference import categories_of, numbers_of
from .subject import Subject
from .wanted import Wanted

__all__ = [
    "card_of",
    "golden_rows",
    "notes_of",
    "reference_of_examples",
    "signature_of_graph",
    "signature_of_shapes",
    "write_shown",
]


def signature_of_graph(subject: Subject, graph: Any, wanted: Wanted) -> Signature:
    """What the model takes and answers.

    Raises:
        PackagingError: the graph is narrower than the network, or a type is not served.
    """
    return signature_of_shapes(
        subject, {one.name: _shape(one) for one in (*graph.graph.input, *graph.graph.output)}, wanted
    )


def signature_of_shapes(subject: Subject, shapes: Mapping[str, tuple[int, ...]], wanted: Wanted) -> Signature:
    """What a model takes and answers.

    Args:
        subject: the network.
        shapes: of a row of each input and output, by their names; -1 for a length that may differ.
        wanted: what is asked of the package.

    Raises:
        PackagingError: the model is narrower than the network, or a type is not served.
    """
    limits = embeddings(
        subject.network,
        subject.batches[0],
        [one.inputs for one in (*subject.examples.train, *subject.examples.validation)],
    )
    text, inputs = subject.text, []
    for name, value in subject.batches[0].items():
        if text and name == text.tokens.ids:
            tokens = text.tokens
            if not tokens.fixed and -1 not in shapes[name]:
                raise PackagingError(
                    f"ONNX expresses {subject.name} for texts of one length alone",
                    expected="a forward that takes the length from its input",
                    hint="take sizes from the input in forward: ids.shape[1], not a number",
                )
            inputs.append(Input(name, "text", tokens=tokens))
        elif not text or name not in text.names:
            inputs.append(_input(name, value, shapes[name], limits.get(name), subject.examples))
    classes: tuple[str, ...] = ()
    if subject.task == "classification":
        count = subject.answers[0]["probabilities"].shape[1]
        return Signature(subject.task, wanted.classes or tuple(map(str, range(count))), tuple(inputs))
    outputs = tuple(_output(name, subject.answers[0][name], shapes[name], subject.task) for name in subject.outputs)
    return Signature(subject.task, classes, tuple(inputs), outputs)


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of a row; -1 where it has no one length."""
    return tuple(-1 if one.dim_param else one.dim_value for one in value.type.tensor_type.shape.dim[1:])


def _input(name: str, value: NDArray[Any], shape: tuple[int, ...], embedding: Any, examples: Examples) -> Input:
    dtype = _dtype(name, value)
    if embedding is not None:
        highs = tuple(one - 1 for one in embedding.places) if shape and shape[-1] == len(embedding.places) else ()
        return Input(name, "array", shape, (), 0, embedding.rows - 1, "refused", dtype=dtype, highs=highs)
    seen = [one.inputs[name] for one in (examples.train or examples.validation)]
    low, high = (None, None) if dtype == "bool" else (min(map(np.min, seen)), max(map(np.max, seen)))
    return Input(
        name,
        "array",
        shape,
        (),
        None if low is None else float(low),
        None if high is None else float(high),
        dtype=dtype,
    )


def _output(name: str, value: NDArray[Any], shape: tuple[int, ...], task: str) -> Output:
    scalar = not shape or (task == "regression" and shape == (1,))
    return Output(name, _dtype(name, value), () if scalar else shape)


def _dtype(name: str, value: NDArray[Any]) -> str:
    if value.dtype.name not in DTYPES:
        raise PackagingError(
            f"{name!r} has numbers of type {value.dtype.name}",
            expected=f"one of {', '.join(DTYPES)}",
            hint="cast it in forward, or in the loader",
        )
    return value.dtype.name


def golden_rows(subject: Subject, signature: Signature) -> tuple[dict[str, NDArray[Any]], Any]:
    """Held-out rows as they are asked over HTTP, and what the network says of them."""
    inputs, text = dict(subject.batches[0]), subject.text
    if text:
        texts = text.written(inputs)
        kept = [row for row, one in enumerate(texts) if one.strip()]
        rest = {name: value[kept] for name, value in inputs.items() if name not in text.names}
        given = np.array([texts[row] for row in kept], dtype=object)
        if not kept:
            raise PackagingError("the tokenizer gives no text for the ids of the training", hint="is it the right one?")
        inputs = {**rest, **text.fed(given.tolist())}
        rows = {**rest, text.tokens.ids: given}
        inputs = {name: inputs[name] for name in subject.batches[0]}
    else:
        rows = inputs
    answers = subject.answer(inputs)
    if signature.is_classification:
        return rows, answers["probabilities"]
    # As they are answered: a number of a row may be [N, 1] in the network.
    return rows, {
        one.name: answers[one.name] if one.shape else answers[one.name].reshape(-1) for one in signature.outputs
    }


def reference_of_examples(subject: Subject, signature: Signature) -> Reference:
    """What ordinary traffic looks like: numbers of the training rows, and answers to held-out ones."""
    examples = subject.examples
    batches = examples.train or examples.validation
    counted = [features_of(one.inputs, signature) for one in batches]
    if (text := subject.text) is not None:
        counted = [one | text.features(batch.inputs) for one, batch in zip(counted, batches, strict=True)]
    names = counted[0] if counted else ()
    features = {name: numbers_of(np.concatenate([one[name] for one in counted])) for name in names}
    predicted: Distribution | None = None
    if signature.is_classification:
        whole = np.concatenate([one["probabilities"] for one in subject.answers])
        features |= {name: numbers_of(values) for name, values in answer_features(whole).items()}
        labels = np.array(signature.classes, dtype=object)[whole.argmax(1)]
        predicted = categories_of(labels, signature.classes)
    elif signature.task == "regression" and signature.outputs[0].shape == ():
        predicted = numbers_of(np.concatenate([one[subject.outputs[0]].reshape(-1) for one in subject.answers]))
    return Reference(features, predicted, sum(one.rows for one in batches))


def card_of(subject: Subject, model: Model | Coded, run: Run, parameters: int) -> dict[str, Any]:
    """Quality on the rows that were kept of the validation part, and what an answer costs."""
    row = {name: value[:1] for name, value in subject.batches[0].items()}
    spent = []
    for _ in range(50):
        began = time.perf_counter()
        model.ask(row)
        spent.append((time.perf_counter() - began) * 1e3)
    return {
        "run": run.id,
        "data": subject.examples.id,
        "part": subject.examples.part,
        "rows": subject.rows,
        "task": subject.task,
        "classes": list(model.signature.classes),
        "metrics": scores_of(subject, subject.answers) if subject.examples.validation else {},
        "parameters": parameters,
        "notes": notes_of(subject, model.signature),
        "latency_p50_ms": float(np.percentile(spent, 50)),
        "latency_p95_ms": float(np.percentile(spent, 95)),
    }


def notes_of(subject: Subject, signature: Signature) -> list[str]:
    """What was taken for granted, for whoever packages the run to look at."""
    notes = []
    if subject.head in ("sigmoid", "pair"):
        what = "logit" if subject.head == "sigmoid" else "probability"
        notes.append(
            f"{subject.name} gives one number for each row, and its targets are 0 and 1: the number is taken for the "
            f"{what} of class {signature.classes[1]!r}; --task regression keeps it as it is"
        )
    if subject.text:
        first = next((one for one in subject.text.written(subject.batches[0]) if one.strip()), "")
        notes.append(
            f"the tokenizer reads a text of the training as {first[:120]!r}; if it read otherwise, it is another one"
        )
    return notes


def write_shown(folder: Path, subject: Subject, signature: Signature) -> None:
    """Write the golden batch, the reference and, of a classification with validation rows, what it answers to these.

    Args:
        folder: of the model.
        subject: the network.
        signature: what the model takes and answers.
    """
    examples = subject.examples
    rows, expected = golden_rows(subject, signature)
    write_json(folder / GOLDEN, golden_of(signature, rows, expected, examples.part))
    write_json(folder / "reference.json", reference_of_examples(subject, signature).to_dict())
    if examples.validation and (tally := tally_of(subject, subject.answers)):
        write_json(folder / HELD_OUT_FILE, {"part": examples.part, **tally.to_dict()})
