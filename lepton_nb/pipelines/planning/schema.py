"""A pipeline file becomes records, or one error that names what is wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import PipelineError, near
from ...workspace import check_name
from .document import read_yaml
from .fields import condition, count, files, grid, mapping, only, resources, seconds, texts, truth, values
from .notebook import read_source
from .references import as_reference
from .spec import Pipeline, StepSpec

__all__ = ["SCHEMA", "load"]

# The same for editors.
SCHEMA = Path(__file__).with_name("pipeline.schema.json")

_TOP = ("name", "parameters", "steps", "finally")
_STEP = (
    *("notebook", "needs", "parameters", "foreach", "when"),
    *("inputs", "writes", "cache", "retries", "timeout", "resources"),
)
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
    body = mapping(read_yaml(path), f"{path}", ", ".join(_TOP))
    only(body, _TOP, f"{path}")
    parameters = values(body.get("parameters"), f"{path}: parameters")
    for one in parameters:
        if as_reference(one) is None:
            raise PipelineError(
                f"{path}: parameter {one!r} cannot be referred to", expected="a name of a-z, 0-9 and '_'"
            )
    steps = mapping(body.get("steps"), f"{path}: steps", "step names, each with its notebook")
    if not steps:
        raise PipelineError(f"{path} has no steps", expected="steps: {NAME: {notebook: FILE.ipynb}}")
    name = body.get("name", path.stem)
    if not isinstance(name, str):
        raise PipelineError(f"{path}: name", expected="text", got=repr(name), hint="put it in quotes")
    finals = texts(body.get("finally"), f"{path}: finally", "step names")
    for final in finals:
        if final not in steps:
            raise PipelineError(
                f"{path}: finally names {final!r}, which is no step",
                expected=", ".join(steps),
                hint=near(final, steps) or "declare it under `steps`",
            )
    found = tuple(_step(path, key, value, key in finals) for key, value in steps.items())
    return Pipeline(check_name(name, f"{path}: pipeline name"), path, parameters, found, finals)


def _step(path: Path, name: str, value: Any, always: bool) -> StepSpec:
    where = f"{path}: step {name!r}"
    check_name(name, f"{path}: step name")
    if "." in name or name == _RESERVED:
        raise PipelineError(f"{where} has a name that is not allowed", expected="no dot in it, and not 'run'")
    body = mapping(value, where, ", ".join(_STEP))
    only(body, _STEP, where)
    notebook = body.get("notebook")
    if not isinstance(notebook, str) or not notebook.strip() or "\0" in notebook:
        raise PipelineError(f"{where} has no notebook", expected="notebook: FILE.ipynb", got=repr(notebook))
    read = _read(body, where)
    file = (path.parent / notebook).resolve()
    source = read_source(file)
    if read["cache"] is None:
        read["cache"] = not source.live
    return StepSpec(name, file, source.declared, group=name, always=always, live=source.live, **read)


def _read(body: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a step but its notebook; `cache` is None when the file does not say."""
    return {
        "needs": texts(body.get("needs"), f"{where}: needs", "step names"),
        "parameters": values(body.get("parameters"), f"{where}: parameters"),
        "foreach": grid(body.get("foreach"), f"{where}: foreach"),
        "when": condition(body.get("when"), f"{where}: when"),
        "inputs": files(body.get("inputs"), f"{where}: inputs"),
        "writes": files(body.get("writes"), f"{where}: writes"),
        "cache": truth(body["cache"], f"{where}: cache") if "cache" in body else None,
        "retries": count(body.get("retries", 0), f"{where}: retries"),
        "timeout": seconds(body.get("timeout"), f"{where}: timeout"),
        "resources": resources(body.get("resources"), f"{where}: resources"),
    }
