"""A pipeline file becomes records, or one error that names what is wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import PipelineError, near
from ...workspace import check_name
from .document import read_yaml
from .notebook import declared_parameters
from .references import as_reference
from .spec import Pipeline, StepSpec

__all__ = ["load"]

_TOP = ("name", "parameters", "steps")
_STEP = ("notebook", "needs", "parameters", "cache", "timeout")
# The run's own record lies beside those of its steps.
_RESERVED = "run"


def load(path: Path | str) -> Pipeline:
    """Read a pipeline file and look into its notebooks; nothing runs.

    Args:
        path: a YAML file; its notebooks are relative to its folder.

    Raises:
        NotFoundError: the file or a notebook does not exist.
        PipelineError: the file or a notebook is not as it must be.
        UsageError: a name of the pipeline or of a step is not allowed.
    """
    path = Path(path).resolve()
    body = _mapping(read_yaml(path), f"{path}", "name, parameters, steps")
    _refuse_unknown(body, _TOP, f"{path}")
    parameters = _values(body.get("parameters"), f"{path}: parameters")
    for name in parameters:
        if as_reference(name) is None or "." in name:
            raise PipelineError(f"{path}: parameter {name!r} cannot be referred to", expected="a Python name")
    steps = _mapping(body.get("steps"), f"{path}: steps", "step names, each with its notebook")
    if not steps:
        raise PipelineError(f"{path} has no steps", expected="steps: {NAME: {notebook: FILE.ipynb}}")
    name = check_name(str(body.get("name", path.stem)), f"{path}: pipeline name")
    return Pipeline(name, path, parameters, tuple(_step(path, key, value) for key, value in steps.items()))


def _step(path: Path, name: str, value: Any) -> StepSpec:
    where = f"{path}: step {name!r}"
    check_name(name, f"{path}: step name")
    if "." in name or name == _RESERVED:
        raise PipelineError(f"{where} has a name that is not allowed", expected="no dot in it, and not 'run'")
    body = _mapping(value, where, ", ".join(_STEP))
    _refuse_unknown(body, _STEP, where)
    notebook = body.get("notebook")
    if not isinstance(notebook, str) or not notebook.strip():
        raise PipelineError(f"{where} has no notebook", expected="notebook: FILE.ipynb", got=repr(notebook))
    timeout, cache = body.get("timeout"), body.get("cache", True)
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0):
        raise PipelineError(f"{where}: timeout", expected="seconds, more than 0", got=repr(timeout))
    if not isinstance(cache, bool):
        raise PipelineError(f"{where}: cache", expected="true or false", got=repr(cache))
    source = (path.parent / notebook).resolve()
    parameters = _values(body.get("parameters"), f"{where}: parameters")
    needs = _needs(body.get("needs"), where)
    declared = declared_parameters(source)
    limit = None if timeout is None else float(timeout)
    return StepSpec(name, source, declared, needs, parameters, cache, limit, name)


def _needs(value: Any, where: str) -> tuple[str, ...]:
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PipelineError(f"{where}: needs", expected="a list of step names", got=repr(value))
    return tuple(dict.fromkeys(names))


def _mapping(value: Any, where: str, expected: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PipelineError(f"{where} is not a mapping", expected=expected, got=type(value).__name__)
    for key in value:
        if not isinstance(key, str):
            raise PipelineError(f"{where}: key {key!r} is not text", hint="put it in quotes")
    return value


def _values(value: Any, where: str) -> dict[str, Any]:
    body = _mapping({} if value is None else value, where, "names with values")
    return {name: _value(item, f"{where}: {name}") for name, item in body.items()}


def _value(value: Any, where: str) -> Any:
    """A value that JSON can hold; YAML reads an unquoted {step.output} as a mapping, which is undone here."""
    if isinstance(value, dict):
        _mapping(value, where, "names with values")
        if len(value) == 1 and (reference := as_reference(next(iter(value)))) and value[next(iter(value))] is None:
            return str(reference)
        return {key: _value(item, f"{where}: {key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, where) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise PipelineError(f"{where} is {type(value).__name__}", expected="text, numbers, true, false, lists or mappings")


def _refuse_unknown(body: Mapping[str, Any], legal: tuple[str, ...], where: str) -> None:
    for key in body:
        if key not in legal:
            raise PipelineError(f"{where}: unknown key {key!r}", expected=", ".join(legal), hint=near(key, legal))
