"""What a signature says beyond what training saw: categories that may not be others, and units."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Collection, Mapping
from itertools import compress
from pathlib import Path

from ..artifact.golden import GOLDEN
from ..errors import UsageError
from ..runtime import manifest_of, read_object, read_signature, verify_manifest
from ..workspace import write_json

__all__ = ["stated"]


def stated(model: Path, folder: Path, closed: Collection[str], units: Mapping[str, str]) -> Path:
    """A copy of a model folder whose signature says more.

    Args:
        model: the folder.
        folder: where the copy goes; it is not there yet.
        closed: categories of these columns that training did not see are refused.
        units: of numbers, by column.

    Returns:
        `folder`.

    Raises:
        UsageError: a column is not there, or not of that kind.
    """
    signature = read_signature(model)
    _check(closed, {one.name for one in signature.inputs if one.kind == "category"}, "category")
    numbers = {one.name for one in signature.inputs if one.kind in ("number", "array")}
    _check(units, numbers | {one.name for one in signature.outputs}, "number")
    inputs = tuple(
        dataclasses.replace(
            one,
            unknown="refused" if one.name in closed else one.unknown,
            unit=units.get(one.name, one.unit),
        )
        for one in signature.inputs
    )
    outputs = tuple(dataclasses.replace(one, unit=units.get(one.name, one.unit)) for one in signature.outputs)
    manifest = verify_manifest(model)
    shutil.copytree(model, folder)
    write_json(folder / "signature.json", dataclasses.replace(signature, inputs=inputs, outputs=outputs).to_dict())
    _keep_golden(folder, {one.name: set(one.categories) for one in inputs if one.unknown == "refused"})
    write_json(folder / "manifest.json", manifest_of(folder, run=manifest.run, data=manifest.data).to_dict())
    return folder


def _keep_golden(folder: Path, closed: Mapping[str, set[str]]) -> None:
    """Leave out the rows of the golden batch that are refused now."""
    if not closed or not (folder / GOLDEN).is_file():
        return
    golden = read_object(folder / GOLDEN)
    answered = [all(row[name] in (None, "", *known) for name, known in closed.items()) for row in golden["rows"]]
    golden["rows"] = list(compress(golden["rows"], answered))
    # Probabilities of classes stand by themselves; all other answers by the names of the outputs.
    answers = golden.get("outputs", golden)
    for name in golden.get("outputs", ("probabilities",)):
        answers[name] = list(compress(answers[name], answered))
    write_json(folder / GOLDEN, golden)


def _check(names: Collection[str], known: Collection[str], kind: str) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(
            f"{unknown[0]!r} is no {kind} column of the model", expected=f"one of {', '.join(sorted(known)) or 'none'}"
        )
