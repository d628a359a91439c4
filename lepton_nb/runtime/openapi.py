"""The OpenAPI document of a served model, with the types and examples of its signature."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from .columns import ARROW, NUMPY
from .formats import Signature
from .inference import datatype
from .pictures import KINDS
from .schemas import example, output, schema
from .truths import Truths, labels_of, numbers_of

__all__ = ["document"]

_REFUSALS = {
    "400": "The body is not JSON, Arrow or NumPy, or a number in it is not finite",
    "401": "The token is missing or wrong",
    "403": "The Host or the Origin is not served here",
    "408": "The body did not come to its end in time",
    "413": "The body is too large",
    "415": "The content type is not one of those listed",
    "422": "A row or a field does not fit; the message names it",
    "429": "Too many requests wait; come again after Retry-After seconds",
    "500": "The model failed; the message has the number under which the server's log says why",
    "503": "The server has not started",
}
_ID = {"type": "string", "description": "Identifier of a prediction (UUIDv7)"}


@lru_cache(maxsize=4)
def document(signature: Signature, version: str) -> bytes:
    """The document as JSON.

    Args:
        signature: of the model that answers.
        version: `name:tag`.
    """
    name, _, tag = version.partition(":")
    value = {
        "openapi": "3.1.0",
        "info": {"title": name, "version": tag or "1", "description": "A model packaged and served by lepton_nb."},
        "security": [{"token": []}],
        "paths": {
            "/predict": {"post": _predict(signature, name)},
            **({"/feedback": {"post": _feedback(signature)}} if Truths.of([signature]) else {}),
            "/signature": {"get": _told("What the model takes and answers", {"type": "object"})},
            "/metrics": {"get": _told("Counters in Prometheus's format", {"type": "string"}, "text/plain")},
            "/docs.json": {"get": _told("This document", {"type": "object"})},
            "/livez": {"get": _told("Whether the server lives", {"type": "object"}, is_open=True)},
            "/readyz": {"get": _told("Whether the server answers", {"type": "object"}, is_open=True)},
            "/v2": {"get": _told("About the server", {"type": "object"})},
            "/v2/health/live": {"get": _told("Whether the server lives", {"type": "object"}, is_open=True)},
            "/v2/health/ready": {"get": _told("Whether the server answers", {"type": "object"}, is_open=True)},
            f"/v2/models/{name}": {"get": _told("The model's inputs and outputs", {"type": "object"})},
            f"/v2/models/{name}/ready": {"get": _told("Whether the model answers", {"type": "object"})},
            f"/v2/models/{name}/infer": {"post": _infer(signature)},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Row": _row(signature), "Error": _ERROR, "Prediction": _prediction(signature)},
        },
    }
    return orjson.dumps(value)


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "row": {"type": "integer", "description": "The row at fault, from 0 on"},
            },
        }
    },
}


def _predict(signature: Signature, name: str) -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {"rows": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}}},
    }
    answer = {
        "type": "object",
        "required": ["version", "predictions"],
        "properties": {
            "version": {"type": "string"},
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
        },
    }
    shown = {"rows": [{one.name: example(one) for one in signature.inputs}]}
    binary = dict.fromkeys(_bulk_kinds(signature), _BINARY)
    operation = _operation("Predict rows", {"application/json": {"schema": body, "example": shown}}, answer)
    pictures = KINDS if len(signature.inputs) == 1 and signature.inputs[0].picture else ()
    operation["requestBody"]["content"] |= binary | dict.fromkeys(pictures, _BINARY)
    operation["responses"]["200"]["content"] |= binary
    operation["parameters"] = [
        {
            "name": "lepton-key",
            "in": "header",
            "required": False,
            "description": f"Requests with one key are always answered by the same version of {name}",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$"},
        }
    ]
    return operation


def _bulk_kinds(signature: Signature) -> list[str]:
    """The forms of many rows that the model takes and answers."""
    shapes = [*(one.shape for one in signature.inputs), *(one.shape for one in signature.outputs)]
    is_one = [one.kind for one in signature.inputs] == ["array"] and len(signature.outputs) < 2
    arrow = all(-1 not in one for one in shapes) and all(one.dtype != "bool" for one in signature.inputs)
    numpy = is_one and all(-1 not in one.shape for one in signature.outputs)
    return [*([ARROW] if arrow else []), *([NUMPY] if numpy else [])]


def _label(signature: Signature) -> dict[str, Any]:
    if signature.classes:
        return {"type": "string", "enum": list(signature.classes)}
    if names := labels_of(signature):
        return {"type": "array", "uniqueItems": True, "items": {"type": "string", "enum": list(names)}}
    if names := numbers_of(signature):
        numbers = {name: {"type": "number"} for name in names}
        return {"type": "object", "required": list(names), "additionalProperties": False, "properties": numbers}
    return {"type": "number"}


def _feedback(signature: Signature) -> dict[str, Any]:
    item = {
        "type": "object",
        "required": ["id", "label"],
        "additionalProperties": False,
        "properties": {"id": _ID, "label": _label(signature)},
    }
    many = {
        "type": "object",
        "required": ["feedback"],
        "additionalProperties": False,
        "properties": {"feedback": {"type": "array", "minItems": 1, "items": item}},
    }
    answer = {"type": "object", "required": ["accepted"], "properties": {"accepted": {"type": "integer"}}}
    operation = _operation("Tell what was right", {"application/json": {"schema": {"oneOf": [item, many]}}}, answer)
    operation["responses"]["202"] = operation["responses"].pop("200")
    return operation


def _infer(signature: Signature) -> dict[str, Any]:
    given = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string", "enum": [one.name for one in signature.inputs]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string"},
            "data": {"type": "array", "items": {}},
        },
    }
    body = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": {"type": "string"}, "inputs": {"type": "array", "items": given}},
    }
    shown = {
        "inputs": [
            {
                "name": one.name,
                "shape": [1, *(max(size, 1) for size in one.shape)],
                "datatype": datatype(one),
                "data": [example(one)],
            }
            for one in signature.inputs
        ]
    }
    content = {"application/json": {"schema": body, "example": shown}}
    return _operation("Infer (Open Inference Protocol 2)", content, {"type": "object"})


def _operation(summary: str, content: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {"schema": answer}}},
            **{status: _refusal(text) for status, text in _REFUSALS.items()},
        },
    }


def _told(
    summary: str, schema: dict[str, Any], kind: str = "application/json", *, is_open: bool = False
) -> dict[str, Any]:
    statuses = ("503",) if is_open else ("401", "403", "404", "503")
    texts = {"404": "There is no such model", **_REFUSALS}
    told: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {kind: {"schema": schema}}},
            **{status: _refusal(texts[status]) for status in statuses},
        },
    }
    return told | ({"security": []} if is_open else {})


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def _row(signature: Signature) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [one.name for one in signature.inputs],
        "additionalProperties": False,
        "properties": {one.name: schema(one) for one in signature.inputs},
    }


def _prediction(signature: Signature) -> dict[str, Any]:
    if signature.outputs:
        names = [one.name for one in signature.outputs]
        outputs = {one.name: output(one) for one in signature.outputs}
        told = {"type": "object", "required": names, "properties": outputs}
        return {"type": "object", "required": ["id", "outputs"], "properties": {"id": _ID, "outputs": told}}
    size = len(signature.classes)
    return {
        "type": "object",
        "required": ["id", "label", "probabilities"],
        "properties": {
            "id": _ID,
            "label": {"type": "string", "enum": list(signature.classes)},
            "probabilities": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": size,
                "maxItems": size,
                "description": "in the order of the label's values",
            },
        },
    }
