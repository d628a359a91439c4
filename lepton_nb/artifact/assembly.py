"""The files of an artifact, made and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import features, preprocessing, read, sides
from ..data import sample as sample_of
from ..errors import PackagingError
from ..models import load_trained
from ..records import Data, Run
from ..runtime import ModelError
from ..runtime.model import Model
from ..runtime.tokens import tokenizers_of
from ..workspace import write_atomic, write_json
from .folder import MODEL, TOKENIZER, seal
from .golden import GOLDEN, TOLERANCE, golden_of, is_close
from .graph import join
from .loaded_texts import text_graph
from .network import PROBABILITIES, exported, sampled
from .preparation import export_preparation
from .reference import reference_of, signature_of
from .trained import every_number, form_of

__all__ = ["Assembled", "assemble", "check_parity", "serialised"]

_ROWS_SHOWN = 64


@dataclass(frozen=True)
class Assembled:
    """What was found while the files were made.

    Args:
        parity: largest absolute difference to the network on the held-out batch.
        parameters: number of trainable and frozen values of the network.
    """

    parity: float
    parameters: int


def assemble(folder: Path, run: Run, data: Data) -> Assembled:
    """Write `model.onnx`, `signature.json`, `reference.json`, `golden.json` and, of texts, their tokenizer.

    Args:
        folder: an empty folder.
        run: a run that ended with weights.
        data: the data it was trained on.

    Raises:
        PackagingError: the network cannot be expressed, or the graph answers differently.
    """
    network = load_trained(run.path)
    prepared = features(data, "validation")[0]
    form = form_of(network, data)
    expected = form.asked(network, prepared, data.width)
    signature = signature_of(data, form)
    if data.kind == "text":
        whole, program, signature = text_graph(network, prepared, data.width, form, signature)
        write_atomic(folder / TOKENIZER, preprocessing(data).content)
    else:
        graph, program = exported(network, sampled(prepared), form)
        whole = join(export_preparation(data, preprocessing(data)), graph, [one.name for one in signature.inputs])
    write_atomic(folder / MODEL, serialised(whole, type(network).__name__))
    write_json(folder / "signature.json", signature.to_dict())
    model = _loaded(folder, run, data)
    # Predictions on rows the network did not learn from, since those on its own are surer than any later ones;
    # and not on the test part, which would then be compared with itself.
    inputs = read(data, "validation")[0]
    held_out = model.predict(inputs)

    def place(wrong: NDArray[np.bool_]) -> str:
        return _place_of(network, program, prepared[wrong][:_ROWS_SHOWN], form.outputs)

    parity = check_parity(every_number(held_out), every_number(expected), run.model, place)
    write_json(folder / GOLDEN, golden_of(signature, inputs, expected))
    # A part that is larger than the memory is told by a fair sample of it.
    seen = (sample_of if data.streamed else read)(data, "train")[0]
    tokenizers = tokenizers_of(folder, signature)
    reference = reference_of(signature, seen, held_out, sides(data, "train"), tokenizers)
    write_json(folder / "reference.json", reference.to_dict())
    return Assembled(parity, sum(value.numel() for value in network.parameters()))


def check_parity(
    ours: NDArray[Any],
    theirs: NDArray[Any],
    name: str,
    place_of: Callable[[NDArray[np.bool_]], str] = lambda _: "",
) -> float:
    """The largest absolute difference, when all are small enough.

    Args:
        ours: probabilities of the graph, [N, C], or any numbers.
        theirs: those of the network, [N, C]; whole numbers must be the same.
        name: of the network, for the message.
        place_of: told which rows differ, bool [N], it says in which layer.

    Raises:
        PackagingError: some `|a - b| > 1e-4 * max(1, |b|)`, or the graph gives NaN.
    """
    if ours.shape != theirs.shape:
        raise PackagingError(
            f"the ONNX graph of {name} answers with another shape", expected=f"{theirs.shape}", got=f"{ours.shape}"
        )
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    wrong = np.atleast_1d(~is_close(ours, theirs).all(axis=1))
    if wrong.any():
        raise PackagingError(
            f"the ONNX graph of {name} does not answer as the network does",
            expected=f"differences up to {TOLERANCE:g}" if theirs.dtype.kind == "f" else "the same whole numbers",
            got=f"{np.nanmax(difference):.3g} on {int(wrong.sum())} of {len(wrong)} validation rows{place_of(wrong)}",
            hint="a forward that leaves torch (numpy, .item(), Python state) is frozen at export; write it in torch",
        )
    return float(difference.max(initial=0.0))


def _place_of(network: Any, program: Any, rows: NDArray[np.float32], names: Sequence[str]) -> str:
    from .divergence import first_divergence

    try:
        found = first_divergence(network, program, rows, names or (PROBABILITIES,))
    except Exception:  # noqa: BLE001 - the refusal stands, whether the place is found or not
        found = ""
    return f", first in {found}" if found else ""


def serialised(model: Any, name: str) -> bytes:
    """The bytes of a graph.

    Raises:
        PackagingError: it is larger than one file may be.
    """
    try:
        content: bytes = model.SerializeToString(deterministic=True)
    except Exception as cause:
        raise PackagingError(f"network {name} is too large for one ONNX file", expected="up to 2 GiB") from cause
    return content


def _loaded(folder: Path, run: Run, data: Data) -> Model:
    seal(folder, run=run.id, data=data.id)
    try:
        return Model.load(folder)
    except ModelError as cause:
        raise PackagingError(f"the ONNX graph of {run.model} cannot be served", got=str(cause)) from cause
