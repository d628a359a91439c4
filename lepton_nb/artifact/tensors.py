"""The artifact of a run on loaders of a notebook's own: any named inputs, texts among them, and any named outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PackagingError
from ..models import Examples
from ..records import Run, plain
from ..runtime import ModelError
from ..runtime.model import Model
from ..workspace import write_atomic, write_json
from .assembly import Assembled, check_parity, serialised
from .folder import MODEL, TOKENIZER, seal
from .named import Arrays, export_named
from .subject import Subject, subject_of
from .telling import card_of, signature_of_graph, write_shown
from .wanted import Wanted

__all__ = ["assemble_tensors", "differing_of", "sample_of"]

_ROWS_SHOWN = 64


def assemble_tensors(folder: Path, run: Run, examples: Examples, wanted: Wanted) -> Assembled:
    """Write `model.onnx`, `signature.json`, `reference.json`, `golden.json`, `card.json` and the tokenizer.

    Args:
        folder: an empty folder.
        run: a run that ended with weights.
        examples: what was kept of its loaders.
        wanted: what is asked of the package.

    Raises:
        PackagingError: the network cannot be expressed, or the graph answers differently.
    """
    subject = subject_of(run, examples, wanted)
    graph, program = export_named(
        subject.network, sample_of(subject), subject.outputs, differing_of(subject), head=subject.head
    )
    write_atomic(folder / MODEL, serialised(graph, subject.name))
    if subject.text:
        write_atomic(folder / TOKENIZER, subject.text.content)
    signature = signature_of_graph(subject, graph, wanted)
    write_json(folder / "signature.json", signature.to_dict())
    seal(folder, run=run.id, data=examples.id)
    try:
        model = Model.load(folder)
        # As a worker does before it takes requests: a text of as many tokens as may be is among it.
        model.warm_up()
    except ModelError as cause:
        longest = subject.text.tokens.most if subject.text else 0
        raise PackagingError(
            f"the ONNX graph of {run.model} cannot be served" + (f" for texts of {longest} tokens" if longest else ""),
            got=str(cause),
            hint="--max-length, with fewer tokens" if longest else "",
        ) from cause
    parity = _parity(subject, model, program)
    write_shown(folder, subject, signature)
    parameters = sum(value.numel() for value in subject.network.parameters())
    write_json(folder / "card.json", plain(card_of(subject, model, run, parameters)))
    return Assembled(parity, parameters)


def sample_of(subject: Subject, rows: int = 3) -> dict[str, NDArray[Any]]:
    """Some rows for an exporter: a single one would be taken for a constant of the graph."""
    return {name: np.resize(value[:rows], (rows, *value.shape[1:])) for name, value in subject.batches[0].items()}


def differing_of(subject: Subject) -> dict[str, list[int]]:
    """The dimensions that had several lengths, and those of a text that need not be filled up."""
    found = {}
    for name, first in subject.batches[0].items():
        shapes = {one[name].shape[1:] for one in subject.batches}
        if len({len(shape) for shape in shapes}) == 1:
            found[name] = [place for place in range(1, first.ndim) if len({shape[place - 1] for shape in shapes}) > 1]
        text = subject.text
        if text and not text.tokens.fixed and name in text.names and first.ndim == 2:
            found[name] = [1]
        elif text and name in text.names:
            found[name] = []
    return found


def _parity(subject: Subject, model: Model, program: Any) -> float:
    """The largest difference on the held-out batches, of any output."""
    largest = 0.0
    for inputs, answers in zip(subject.batches, subject.answers, strict=True):
        found = model.ask(inputs)
        for name, theirs in answers.items():
            ours = found[name].reshape(len(theirs), -1)

            def place(wrong: NDArray[np.bool_], inputs: Arrays = inputs) -> str:
                return _place(subject, program, {key: value[wrong][:_ROWS_SHOWN] for key, value in inputs.items()})

            told = subject.name if len(answers) == 1 else f"{subject.name}, output {name!r},"
            largest = max(largest, check_parity(ours, theirs.reshape(len(theirs), -1), told, place))
    return largest


def _place(subject: Subject, program: Any, rows: Arrays) -> str:
    from .divergence import first_divergence

    try:
        names = ["probabilities"] if subject.head is not None else subject.outputs
        found = first_divergence(subject.network, program, rows, names)
    except Exception:  # noqa: BLE001 - the refusal stands, whether the place is found or not
        found = ""
    return f", first in {found}" if found else ""
