"""A network on loaders of a notebook's own that ONNX cannot express: its source and its weights, and its tokenizer."""

from __future__ import annotations

from pathlib import Path

from ..models import Examples
from ..records import Run, plain
from ..workspace import write_atomic, write_json
from .coded import WARNING, Coded, stated_of, write_network
from .folder import TOKENIZER, seal
from .subject import Subject, subject_of
from .telling import card_of, signature_of_shapes, write_shown
from .tensors import differing_of
from .wanted import Wanted

__all__ = ["assemble_coded_tensors"]


def assemble_coded_tensors(folder: Path, run: Run, examples: Examples, wanted: Wanted) -> None:
    """Write a network as source and weights, with signature, reference, golden batch and card.

    Args:
        folder: an empty folder.
        run: a run that ended with weights.
        examples: what was kept of its loaders.
        wanted: what is asked of the package.

    Raises:
        PackagingError: the source is not known, or what is built from it answers otherwise than the network.
    """
    stated, subject = stated_of(run), subject_of(run, examples, wanted)
    write_network(folder, run, stated, softmax=subject.head == "softmax", head=subject.head or "")
    if subject.text:
        write_atomic(folder / TOKENIZER, subject.text.content)
    signature = signature_of_shapes(subject, _shapes(subject), wanted)
    write_json(folder / "signature.json", signature.to_dict())
    write_shown(folder, subject, signature)
    coded = Coded.load(folder)
    coded.check_golden(folder)
    parameters = sum(value.numel() for value in coded.network.parameters())
    card = {**card_of(subject, coded, run, parameters), "code": True, "warning": WARNING}
    write_json(folder / "card.json", plain(card))
    seal(folder, run=run.id, data=examples.id)


def _shapes(subject: Subject) -> dict[str, tuple[int, ...]]:
    """Shapes of a row of what the network takes and gives; -1 for a length that differed, or may."""
    found = {}
    for name, places in differing_of(subject).items():
        shape = subject.batches[0][name].shape
        found[name] = tuple(-1 if place in places else size for place, size in enumerate(shape))[1:]
    for name, first in subject.answers[0].items():
        sizes = zip(*(one[name].shape[1:] for one in subject.answers), strict=True)
        found[name] = tuple(one[0] if len(set(one)) == 1 else -1 for one in sizes) if first.ndim > 1 else ()
    return found
