"""The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol), over the same model.

A column is an input of shape [rows] or [rows, 1]: FP64 or any number for a number, BYTES (text) for a category and for
a text. An array has its own type and the shape [rows, *shape]. The outputs are `id`, `label` and `probabilities`, or
`id` and those of the signature.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .answers import Answers
from .engine import Arrival, Engine
from .errors import RequestError
from .fields import DTYPES
from .formats import Input, Signature
from .rows import arrays_of, parse_json

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["datatype", "inference_routes"]

_DATATYPES = {"number": "FP64", "category": "BYTES", "text": "BYTES"}
_WHOLE = frozenset(("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"))
_NUMBERS = _WHOLE | {"FP64", "FP32", "FP16"}


def inference_routes(worker: Worker) -> list[Route]:
    """The routes under /v2.

    Args:
        worker: what this worker holds.
    """
    told = _Told(worker)
    names = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    return [
        Route("/v2", told.server, methods=["GET"]),
        Route("/v2/health/live", worker.livez, methods=["GET"]),
        Route("/v2/health/ready", worker.readyz, methods=["GET"]),
        *(Route(name, told.model, methods=["GET"]) for name in names),
        *(Route(f"{name}/ready", told.ready, methods=["GET"]) for name in names),
        *(Route(f"{name}/infer", _Infer(worker), methods=["POST"]) for name in names),
    ]


class _Told:
    """What the protocol says of the server and its model."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def server(self, request: Request) -> Response:
        """GET /v2."""
        return _json({"name": "lepton_runtime", "version": "2", "extensions": []})

    async def ready(self, request: Request) -> Response:
        """GET /v2/models/NAME/ready."""
        engine = _asked(self._worker, request.path_params)
        return _json({"name": engine.version.partition(":")[0], "ready": True})

    async def model(self, request: Request) -> Response:
        """GET /v2/models/NAME."""
        engine = _asked(self._worker, request.path_params)
        name, _, version = engine.version.partition(":")
        signature = engine.signature
        inputs = [
            {"name": one.name, "datatype": datatype(one), "shape": [-1, *(one.shape or (1,))]}
            for one in signature.inputs
        ]
        outputs = [
            {"name": name, "datatype": kind, "shape": [-1, *shape]} for name, (kind, shape) in _told(signature).items()
        ]
        value = {"name": name, "versions": [version], "platform": "onnxruntime_onnx"}
        return _json({**value, "inputs": inputs, "outputs": outputs})


class _Infer:
    """POST /v2/models/NAME/infer."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path_params"]
        _asked(self._worker, path)

        async def work(engine: Engine, body: bytes, _: str, arrival: Arrival) -> tuple[bytes, bytes, Any]:
            engine = _asked(self._worker, path, engine)
            if len(body) > engine.inline_bytes:
                content, rows = await asyncio.to_thread(_alone, engine, body, arrival)
            else:
                value, wanted, rows, inputs = _read(body, engine.signature)
                content = _answered(engine, value, wanted, rows, inputs, await engine.batcher.predict(inputs), arrival)
            self._worker.shadow(engine, lambda other: other.repeat(rows, arrival))
            return content, b"application/json", ()

        await self._worker.answered(scope, receive, send, ("application/json",), work)


def _alone(engine: Engine, body: bytes, arrival: Arrival) -> tuple[bytes, list[dict[str, Any]]]:
    """The answer to a large request, made in this thread, and its rows."""
    value, wanted, rows, inputs = _read(body, engine.signature)
    return _answered(engine, value, wanted, rows, inputs, engine.model.predict(inputs), arrival), rows


def _answered(
    engine: Engine,
    value: dict[str, Any],
    wanted: list[str],
    rows: list[dict[str, Any]],
    inputs: Any,
    found: Answers,
    arrival: Arrival,
) -> bytes:
    """The content of the answer, which is on the log."""
    answers = engine.told(found, inputs)
    engine.record(rows, answers, arrival)
    return _content(value, wanted, answers, engine)


def _read(body: bytes, signature: Signature) -> tuple[dict[str, Any], list[str], list[dict[str, Any]], Any]:
    """The request's object, the outputs that it asks for, its rows and the model's inputs."""
    value = parse_json(body)
    wanted = _wanted(value, list(_told(signature)))
    rows = _rows(value, signature)
    return value, wanted, rows, arrays_of(rows, signature)


def _asked(worker: Worker, path: dict[str, str], drawn: Engine | None = None) -> Engine:
    """What answers for a path: the very version that it names, else the one that was drawn, else the champion."""
    _, standing = worker.started()
    for engine in standing.engines.values():
        name, _, version = engine.version.partition(":")
        if path["name"] == name and path.get("version", version) == version:
            found: Engine = engine if "version" in path else drawn or standing.champion
            return found
    raise RequestError(404, "not_found", f"no model {path['name'][:80]!r} is served here")


def _told(signature: Signature) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The outputs by their names: type, and shape of one row."""
    if signature.is_classification:
        named = {"label": ("BYTES", ()), "probabilities": ("FP32", (len(signature.classes),))}
    else:
        named = {one.name: (DTYPES[one.dtype][1], one.shape) for one in signature.outputs}
    return {"id": ("BYTES", ()), **named}


def datatype(one: Input) -> str:
    """What the protocol calls the type of an input."""
    return _DATATYPES.get(one.kind) or DTYPES[one.dtype][1]


def _wanted(value: Any, known: list[str]) -> list[str]:
    """The names of the outputs that are asked for."""
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), list):
        raise RequestError(422, "invalid_body", 'the body is not {"inputs": [{"name", "shape", "datatype", "data"}]}')
    asked = value.get("outputs") or [{"name": name} for name in known]
    if not isinstance(asked, list):
        raise RequestError(422, "invalid_body", "outputs is not a list")
    names = [one.get("name") if isinstance(one, dict) else None for one in asked]
    for name in names:
        if name not in known:
            raise RequestError(422, "invalid_body", f"unknown output, expected {', '.join(known)}")
    return [str(name) for name in names]


def _rows(value: dict[str, Any], signature: Signature) -> list[dict[str, Any]]:
    """The request's inputs as rows, which are then looked at as any rows are."""
    columns: dict[str, list[Any]] = {}
    known = {one.name: one for one in signature.inputs}
    for given in value["inputs"]:
        name = given.get("name") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in known:
            raise RequestError(422, "invalid_body", f"unknown input {str(name)[:80]!r}")
        if name in columns:
            raise RequestError(422, "invalid_body", f"input {name!r} is there twice")
        columns[name] = _column(given, known[name])
    if missing := sorted(set(known) - set(columns)):
        raise RequestError(422, "invalid_body", f"input {missing[0]!r} is missing")
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise RequestError(
            422, "invalid_body", f"the inputs have {sorted(sizes)} rows, expected the same, at least one"
        )
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(given: dict[str, Any], one: Input) -> list[Any]:
    """One input's values, a value or nested lists per row."""
    shape, kind, data = given.get("shape"), given.get("datatype"), given.get("data")
    if not isinstance(shape, list) or not shape or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise RequestError(422, "invalid_body", f"input {one.name!r}: shape is not a list of sizes")
    if not isinstance(kind, str):
        raise RequestError(422, "invalid_body", f"input {one.name!r}: datatype is not a text")
    if not isinstance(data, list):
        raise RequestError(422, "invalid_body", f"input {one.name!r}: data is not a list")
    if not _is_of(kind, one):
        raise RequestError(422, "invalid_body", f"input {one.name!r}: expected datatype {datatype(one)}")
    row = tuple(shape[1:])
    # A length that may differ is any but none.
    fits = len(row) == len(one.shape) and all(
        size == given or size < 0 < given for size, given in zip(one.shape, row, strict=True)
    )
    if not (fits or (not one.shape and row == (1,))):
        wanted = [-1, *(one.shape or (1,))]
        raise RequestError(422, "invalid_body", f"input {one.name!r}: expected shape {wanted}, got {shape[:8]}")
    flat = _flat(data, len(shape))
    if len(flat) != math.prod(shape):
        raise RequestError(422, "invalid_body", f"input {one.name!r}: {len(flat)} values do not fill shape {shape[:8]}")
    return _nested(flat, row) if one.shape else flat


def _is_of(kind: str, one: Input) -> bool:
    """Whether values that are said to be of a type are what an input takes."""
    if one.kind in ("category", "text"):
        return kind == "BYTES" or (kind == "BOOL" and one.kind == "category")
    if one.kind == "array" and one.dtype == "bool":
        return kind == "BOOL"
    return kind in (_WHOLE if one.kind == "array" and one.dtype.startswith("int") else _NUMBERS)


def _flat(data: list[Any], depth: int) -> list[Any]:
    """The values in order; they may come flat or nested as the shape says."""
    for _ in range(depth - 1):
        if not data or not all(type(part) is list for part in data):
            break
        data = list(chain.from_iterable(data))
    return data


def _nested(flat: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    values: list[Any] = list(flat)
    for size in reversed(shape):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


def _content(value: dict[str, Any], wanted: list[str], answers: list[dict[str, Any]], engine: Engine) -> bytes:
    name, _, version = engine.version.partition(":")
    outputs = {}
    for output, (kind, _) in _told(engine.signature).items():
        if output in wanted:
            values = [one[output] if output in one else one["outputs"][output] for one in answers]
            shape = _shape_of(values)
            outputs[output] = {"datatype": kind, "shape": shape, "data": _flat(values, len(shape))}
    identifier = value.get("id")
    told = {"id": identifier} if isinstance(identifier, str) else {}
    return orjson.dumps(
        {
            "model_name": name,
            "model_version": version,
            **told,
            "outputs": [{"name": one, **outputs[one]} for one in wanted],
        }
    )


def _shape_of(values: Any) -> list[int]:
    """The shape of nested lists."""
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return shape


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
