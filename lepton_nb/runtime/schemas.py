"""JSON schemas and examples of what a model takes and gives."""

from __future__ import annotations

from typing import Any

from .fields import Input, Output

__all__ = ["example", "output", "schema"]


def schema(one: Input) -> dict[str, Any]:
    """The JSON schema of one input's value in a row."""
    seen = [] if one.low is None or one.high is None else [f"{one.low:g} to {one.high:g} in training"]
    unit = [f"in {one.unit}"] if one.unit else []
    if one.kind == "number":
        return {"type": ["number", "null"], "description": ", ".join(["null where it is missing", *unit, *seen])}
    if one.kind == "category":
        if one.unknown == "refused":
            return {"type": ["string", "null"], "enum": [*one.categories, None]}
        known = ", ".join(one.categories[:20])
        return {"type": ["string", "null"], "description": f"in training one of {known}", "examples": [example(one)]}
    if one.tokens:
        text = f"its first {one.tokens.most} tokens are read; one at least"
        return {"type": "string", "minLength": 1, "description": text, "examples": [example(one)]}
    made = _nested(_number(one), one.shape) if not one.highs else _nested(_by_place(one), one.shape[:-1])
    made["description"] = ", ".join([f"{one.dtype} of shape {list(one.shape)}", *unit, *seen])
    as_file = {"type": "string", "contentEncoding": "base64", "description": "the bytes of a picture's file"}
    return {"oneOf": [made, as_file]} if one.picture else made


def _number(one: Input) -> dict[str, Any]:
    """The JSON schema of one number of an array."""
    if one.dtype == "bool":
        return {"type": "boolean"}
    if one.dtype.startswith("float"):
        return {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38}
    low, high = (-(2**31), 2**31 - 1) if one.dtype == "int32" else (-(2**63), 2**63 - 1)
    if one.unknown == "refused" and one.low is not None and one.high is not None:
        low, high = int(one.low), int(one.high)
    return {"type": "integer", "minimum": low, "maximum": high}


def _by_place(one: Input) -> dict[str, Any]:
    """The JSON schema of a list of whole numbers, each with a range of its own."""
    each = [{**_number(one), "maximum": high} for high in one.highs]
    return {"type": "array", "prefixItems": each, "items": False, "minItems": len(each), "maxItems": len(each)}


def _nested(schema: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """Lists of lists, each of its size; of one that may differ there is one value at least."""
    for size in reversed(shape):
        limits = {"minItems": size, "maxItems": size} if size >= 0 else {"minItems": 1}
        schema = {"type": "array", **limits, "items": schema}
    return dict(schema)


def output(one: Output) -> dict[str, Any]:
    """The JSON schema of one output's value."""
    kind = {"bool": "boolean"}.get(one.dtype, "number" if one.dtype.startswith("float") else "integer")
    told = [f"in {one.unit}"] if one.unit else []
    if one.quantile is not None:
        told.insert(0, f"of each number, in their order, what lies above the true one with probability {one.quantile}")
    return {**_nested({"type": kind}, one.shape), **({"description": ", ".join(told)} if told else {})}


def example(one: Input) -> Any:
    """A value as training had them."""
    if one.kind == "category":
        return one.categories[0] if one.categories else None
    if one.kind == "text":
        return "a text"
    middle: Any = 0.0 if one.low is None or one.high is None else round((one.low + one.high) / 2, 6)
    if one.kind == "array" and not one.dtype.startswith("float"):
        middle = False if one.dtype == "bool" else int(middle)
    value: Any = middle
    if one.highs:
        value = [min(middle, high) for high in one.highs]
    for size in reversed(one.shape[:-1] if one.highs else one.shape):
        value = [value] * max(size, 1)
    return value
