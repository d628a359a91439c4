"""What a signature is called in Python."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime import Input, Signature
from .example import TEXT, example_number, example_text
from .naming import python_text

__all__ = ["python_values"]

_CLASSES = {
    "SHOWN": "label",
    "ANSWERED_DOC": """\
        label: the class that is most likely.
        probabilities: one per class, in the order of CLASSES.""",
    "ANSWERED": "    label: Label\n    probabilities: tuple[float, ...]",
    "MADE": 'one["label"], tuple(one["probabilities"])',
    "RIGHT": "which class was the right one",
    "TRUE": "the true class",
}
_OUTPUTS = {
    "SHOWN": "outputs",
    "ANSWERED_DOC": "        outputs: a number or nested lists of them for each output, by its name.",
    "ANSWERED": "    outputs: dict[str, Any]",
    "MADE": 'dict(one["outputs"])',
    "RIGHT": "what was right; a model with several outputs takes no label",
    "TRUE": "the true number",
}
# The names of quantiles are the signature's own, and no text of it stands in a comment.
_QUANTILES_DOC = """\
        outputs: a number for each output, by its name. Of a quantile a list: for each of these numbers, in their order,
            what the true one is not above with the probability that the quantile's name says."""
# What an array holds, by its type.
_HELD = {"bool": "bool", "int32": "int", "int64": "int"}
# A column of a thousand different texts would fill the file with them.
_MOST = 50


def python_values(url: str, bento: str, signature: Signature) -> dict[str, str]:
    """What the template of the Python client is filled with.

    Args:
        url: where the deployment listens.
        bento: tag of its model.
        signature: what that takes and answers.
    """
    classes = list(dict.fromkeys(map(python_text, signature.classes)))
    known = {one.name: one.categories[:_MOST] for one in signature.inputs if one.categories}
    return {
        "URL": python_text(url),
        "MODEL": python_text(bento),
        "LABEL": f"Literal{_lines('[', classes, ']')}"
        if classes
        else "str"
        if signature.is_classification
        else "float",
        **(_CLASSES if signature.is_classification else _OUTPUTS),
        **({"ANSWERED_DOC": _QUANTILES_DOC} if signature.quantiles else {}),
        "CLASSES": _tuple(signature.classes),
        "MOST": str(_MOST),
        "CATEGORIES": _dict({name: _tuple(texts, "    ") for name, texts in known.items()}),
        "ROW": _dict({one.name: _type(one) for one in signature.inputs}),
        "EXAMPLE": _dict({one.name: _example(one) for one in signature.inputs}),
    }


def _type(one: Input) -> str:
    if one.kind == "array":
        return "list[" * len(one.shape) + _HELD.get(one.dtype, "float") + "]" * len(one.shape)
    if one.kind == "text":
        return "str"
    return "float | None" if one.kind == "number" else "str | None"


def _example(one: Input) -> str:
    if one.kind == "number":
        return repr(example_number(one))
    if one.kind == "category":
        text = example_text(one)
        return "None" if text is None else python_text(text)
    if one.kind == "text":
        return python_text(TEXT)
    found = {"bool": "False", "int": "0"}.get(_HELD.get(one.dtype, ""), "0.0")
    for place, size in enumerate(reversed(one.shape)):
        # A length that may differ is one.
        count = max(size, 1)
        found = f"[{found} for _ in range({count})]" if place else f"[{found}] * {count}"
    return found


def _tuple(texts: Sequence[str], indent: str = "") -> str:
    return _lines("(", list(map(python_text, texts)), ")", indent)


def _dict(values: dict[str, str]) -> str:
    return _lines("{", [f"{python_text(name)}: {value}" for name, value in values.items()], "}")


def _lines(first: str, items: list[str], last: str, indent: str = "") -> str:
    """One item per line; the comma behind each keeps a tuple of one a tuple."""
    return first + "".join(f"\n{indent}    {item}," for item in items) + (f"\n{indent}" if items else "") + last
