"""What a step hands to the steps behind it: `%lepton output name=value` in its notebook."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import FormatError, UsageError
from ..records import Outputs, Result
from ..workspace import mask_all
from .planning import parse_yaml, typed

__all__ = ["OUTPUT_FILE", "in_step", "parse_assignment", "read_outputs", "record_output"]

# Names the file of the step that this kernel executes; unset outside of a pipeline.
OUTPUT_FILE = "LEPTON_STEP_OUTPUT"
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HALVES = re.compile("[\ud800-\udfff]")


def parse_assignment(text: str) -> tuple[str, Any]:
    """`name=value` as a name and a typed value; the same rules hold for outputs and for `-p`.

    A value in quotes, brackets or braces is read as YAML. Any other is a plain scalar of YAML 1.2:
    null, true, false, a number, else text, in which leading zeros stay.

    Raises:
        UsageError: there is no `=`, or the name is none.

    Example:
        >>> parse_assignment("lr=1e-3"), parse_assignment("ids=[1, 2]"), parse_assignment("run='007'")
        (('lr', 0.001), ('ids', [1, 2]), ('run', '007'))
    """
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise UsageError(f"{text!r} is no assignment", expected="NAME=VALUE, where NAME is a Python name")
    if not value.startswith(("[", "{", '"', "'")):
        return name, typed(value) if value else ""
    try:
        return name, parse_yaml(value)
    except yaml.YAMLError:
        return name, value


def in_step() -> bool:
    """Whether a pipeline executes this notebook."""
    return bool(os.environ.get(OUTPUT_FILE))


def record_output(name: str, value: Any) -> Outputs:
    """Report a value of the step that this notebook is; the last one of a name counts.

    Args:
        name: a Python name; `{step.name}` refers to it.
        value: text, a number, true, false, nothing, or lists and mappings of these. A handle (a run, data,
            a Bento, a path) becomes the text that names it.

    Returns:
        The output as recorded; `recorded` is false outside of a step, where nothing is written.

    Raises:
        UsageError: the name or the value is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"output {name!r} is not allowed", expected="a Python name")
    value = _json_value(value, name)
    if mask_all(value) != value:
        raise UsageError(f"output {name!r} holds a secret", expected="a value that may be written down")
    target = os.environ.get(OUTPUT_FILE)
    if target:
        line = json.dumps({"format": _FORMAT, "name": name, "value": value}, allow_nan=False).encode() + b"\n"
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            # One write: lines of two processes never mix, and a kill leaves a whole line or none.
            os.write(handle, line)
        finally:
            os.close(handle)
    return Outputs(((name, value),), recorded=bool(target))


def read_outputs(path: Path) -> dict[str, Any]:
    """The outputs in a step's file; nothing when it reported none.

    Raises:
        FormatError: a line is not ours, or newer than this version reads.
    """
    outputs: dict[str, Any] = {}
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            found, name, value = int(body["format"]), body["name"], body["value"]
        except (ValueError, KeyError, TypeError) as cause:
            raise FormatError(f"{path} line {number} is not readable", expected="one output") from cause
        if found > _FORMAT:
            raise FormatError(
                f"{path} line {number} has format {found}",
                expected=f"format {_FORMAT} or older",
                hint="run the step's kernel and the pipeline with the same version of lepton_nb",
            )
        outputs[name] = value
    return outputs


def _json_value(value: Any, name: str) -> Any:
    if isinstance(value, (Result, Path)):
        return str(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _json_value(item, name) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item, name) for item in value]
    finite = not isinstance(value, float) or abs(value) < float("inf")
    # Half of a surrogate pair is no character, and no file can hold it.
    whole = not isinstance(value, str) or not _HALVES.search(value)
    if finite and whole and (value is None or isinstance(value, (bool, int, float, str))):
        return value
    raise UsageError(
        f"output {name!r} cannot be recorded",
        expected="text of whole characters, a finite number, true, false, or lists and mappings of these",
        got=f"{type(value).__name__} {value!a}"[:80],
    )
