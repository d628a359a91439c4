"""What a batch of inputs looks like, as one array of values per feature that drift is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formats import Input, Signature
from .tokens import Tokenizer

__all__ = ["feature_kinds", "features_of", "sides_names"]


def feature_kinds(signature: Signature) -> dict[str, str]:
    """The features of `features_of`, in order, each `number` or `category`."""
    kinds: dict[str, str] = {}
    for one in signature.inputs:
        if one.kind == "array":
            statistics = _statistics(np.zeros((1, *(max(size, 1) for size in one.shape)), np.float32), one)
            kinds |= dict.fromkeys(statistics, "number")
        elif one.kind != "text":
            kinds[one.name] = one.kind
    return kinds


def features_of(
    inputs: Mapping[str, np.ndarray[Any, Any]], signature: Signature, tokenizers: Mapping[str, Tokenizer] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """The features of a batch that the training reference counts and monitoring compares.

    Args:
        inputs: per input N values: float64 [N] or [N, 1] (NaN = missing), text [N] or [N, 1] (None or "" =
            missing), arrays [N, *shape].
        signature: names, kinds and shapes of the inputs.
        tokenizers: by input; a text whose tokenizer is not there is left aside.

    Returns:
        Per feature an array [N]: float64 for numbers, object (text, "" = missing) for categories. An array input
        `input` gives `input.mean`, `input.std`, `input.min`, `input.max` and `input.q0` to `input.q3`, the means
        of the four quadrants of its last two dimensions or of the four quarters of a flat vector; one of a length
        that may differ has no quarters, and `input.length` instead. A single number is its own feature. Of a text
        there are the features of `token_features`.

    Example:
        >>> image = Signature("classification", ("a", "b"), (Input("input", "array", (1, 2, 2)),))
        >>> batch = {"input": np.array([[[[0, 1], [2, 3]]]], np.float32)}
        >>> {name: float(values[0]) for name, values in features_of(batch, image).items() if ".q" in name}
        {'input.q0': 0.0, 'input.q1': 1.0, 'input.q2': 2.0, 'input.q3': 3.0}
    """
    features: dict[str, np.ndarray[Any, Any]] = {}
    for one in signature.inputs:
        if one.kind == "text":
            if tokenizers and one.name in tokenizers:
                texts = np.asarray(inputs[one.name], dtype=object).reshape(-1)
                features |= tokenizers[one.name].features([str(text or "") for text in texts])
            continue
        values = np.asarray(inputs[one.name])
        if one.kind == "number":
            features[one.name] = values.reshape(len(values)).astype(np.float64, copy=False)
        elif one.kind == "category":
            flat = values.reshape(len(values)).astype(object)
            features[one.name] = np.array(["" if value is None else str(value) for value in flat], dtype=object)
        elif one.kind == "array":
            features |= _statistics(values, one)
    return features


def sides_names(name: str) -> tuple[str, str]:
    """The features of what a picture input was sent with, before it was scaled: its width and its height."""
    return f"{name}.width", f"{name}.height"


def _statistics(values: np.ndarray[Any, Any], one: Input) -> dict[str, np.ndarray[Any, Any]]:
    """Named statistics of each row of an array input, accumulated in float64."""
    rows = len(values)
    if not one.shape:
        return {one.name: values.reshape(rows).astype(np.float64)}
    differs = -1 in one.shape
    shaped = values.astype(np.float64) if differs else values.astype(np.float64).reshape((rows, *one.shape))
    flat = shaped.reshape(rows, int(np.prod(shaped.shape[1:])))
    parts = {"mean": flat.mean(1), "std": flat.std(1), "min": flat.min(1), "max": flat.max(1)}
    if differs:
        parts["length"] = np.full(rows, float(shaped.shape[1 + one.shape.index(-1)]))
    for number, part in enumerate([] if differs else _quarters(shaped, flat)):
        parts[f"q{number}"] = part.reshape(rows, part.size // rows if rows else 1).mean(1)
    return {f"{one.name}.{name}": part for name, part in parts.items()}


def _quarters(shaped: np.ndarray[Any, Any], flat: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Four quadrants of the last two dimensions where both can be halved, else up to four stretches."""
    if shaped.ndim > 2 and min(shaped.shape[-2:]) > 1:
        height, width = shaped.shape[-2] // 2, shaped.shape[-1] // 2
        top, bottom = shaped[..., :height, :], shaped[..., height:, :]
        return [top[..., :width], top[..., width:], bottom[..., :width], bottom[..., width:]]
    return np.array_split(flat, min(4, flat.shape[1]), axis=1)
