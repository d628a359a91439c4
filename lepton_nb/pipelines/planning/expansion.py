"""A step with a grid becomes one step for each point of it, and the files of each become places on the disk."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import PipelineError, near
from ...workspace import check_name
from .places import Places
from .references import Reference, escaped, find, resolve
from .spec import Pipeline, StepSpec

__all__ = ["expand"]

_MOST = 10_000


def expand(pipeline: Pipeline, parameters: Mapping[str, Any]) -> dict[str, tuple[StepSpec, ...]]:
    """The steps of a plan by their names in the file, each list in the order of its grid.

    Args:
        pipeline: the file.
        parameters: of the pipeline, defaults overridden.

    Raises:
        PipelineError: a grid is no list or too large, or a file is not where a step's files may be.
    """
    places = Places(pipeline)
    groups: dict[str, tuple[StepSpec, ...]] = {}
    names = {step.name for step in pipeline.steps}
    total = 0
    for step in pipeline.steps:
        where = f"{pipeline.path}: step {step.name!r}"
        axes = {name: _axis(value, parameters, f"{where}: foreach: {name}") for name, value in step.foreach.items()}
        total += math.prod(map(len, axes.values()))
        if total > _MOST:
            raise PipelineError(
                f"{where}: foreach", expected=f"at most {_MOST} steps in a pipeline", got=f"{total} or more"
            )
        points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
        made = [_instance(step, number, point, where) for number, point in enumerate(points, 1)]
        taken = [one.name for one in made if one.name != step.name and one.name in names]
        if taken:
            raise PipelineError(
                f"{where}: foreach makes a step {taken[0]!r}, and there is one of that name", hint="rename one of them"
            )
        groups[step.name] = tuple(_placed(one, parameters, places, where) for one in made)
    return groups


def _axis(value: Any, parameters: Mapping[str, Any], where: str) -> list[Any]:
    known = _known(find(list(value) if isinstance(value, tuple) else value), parameters, where)
    found = resolve(list(value) if isinstance(value, tuple) else value, known)
    if not isinstance(found, list) or not found:
        raise PipelineError(where, expected="a list of at least one value", got=repr(found))
    return found


def _known(used: Iterable[Reference], names: Mapping[str, Any], where: str) -> dict[Reference, Any]:
    known = {}
    for reference in used:
        if reference.step or reference.name not in names:
            raise PipelineError(
                f"{where} refers to {reference}",
                expected=", ".join(names) or "no references, since the pipeline has no parameters",
                hint=near(reference.name, names) or "what steps report is not known before they run",
            )
        known[reference] = names[reference.name]
    return known


def _instance(step: StepSpec, number: int, point: Mapping[str, Any], where: str) -> StepSpec:
    if not step.foreach:
        return step
    name = check_name(f"{step.name}-{number}", f"{where}: name of a point of its grid")
    # Its parameters are resolved once more when it starts.
    parameters = {**step.parameters, **escaped(point)}
    return dataclasses.replace(step, name=name, parameters=parameters, foreach={}, point=dict(point))


def _placed(step: StepSpec, parameters: Mapping[str, Any], places: Places, where: str) -> StepSpec:
    if not step.inputs and not step.writes:
        return step
    names = {**parameters, **step.point}

    def placed(files: tuple[Path, ...], here: str) -> tuple[Path, ...]:
        written = [str(path) for path in files]
        found = resolve(written, _known(find(written), names, here))
        return tuple(dict.fromkeys(places.of(text, here) for value in found for text in _texts(value, here)))

    writes = placed(step.writes, f"{where}: writes")
    for path in writes:
        places.check_writable(path, f"{where}: writes")
    return dataclasses.replace(step, inputs=placed(step.inputs, f"{where}: inputs"), writes=writes)


def _texts(value: Any, where: str) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in items):
        raise PipelineError(where, expected="names of files", got=repr(value))
    return [str(item) for item in items]
