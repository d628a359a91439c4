"""What a signature is called in Java."""

from __future__ import annotations

from ...runtime import Input, Signature
from .example import TEXT, example_number, example_text
from .naming import identifiers, java_text

__all__ = ["java_values"]

_CLASSES = {
    "SHOWN": "label",
    "ANSWERED_DOC": """\
     * @param label the class that is most likely
     * @param probabilities one per class, in the order of CLASSES""",
    "ANSWERED": "String label, List<Double> probabilities",
    "PARSED": """\
                List<Double> probabilities = new ArrayList<>();
                for (Object probability : (List<?>) prediction.get("probabilities")) {
                    probabilities.add((Double) probability);
                }
                predictions.add(new Prediction(
                    (String) prediction.get("id"), (String) prediction.get("label"), List.copyOf(probabilities)));""",
    "RIGHT": "which class was the right one",
    "TRUE": "the true class",
    "LABEL": "String",
}
_OUTPUTS = {
    "SHOWN": "outputs",
    "ANSWERED_DOC": "     * @param outputs a Double or nested lists of them for each output, by its name",
    "ANSWERED": "Map<String, Object> outputs",
    "PARSED": """\
                Map<String, Object> outputs = new LinkedHashMap<>();
                ((Map<?, ?>) prediction.get("outputs")).forEach((name, value) -> outputs.put((String) name, value));
                predictions.add(new Prediction((String) prediction.get("id"), outputs));""",
    "RIGHT": "what was right; a model with several outputs takes no label",
    "TRUE": "the true number",
    "LABEL": "double",
}
_QUANTILES_DOC = """\
     * @param outputs a Double for each output, by its name; of a quantile a List: for each of these numbers, in their
     *     order, what the true one is not above with the probability that the quantile's name says"""
# What an array holds, by its type, and how such a value is written.
_HELD = {"bool": ("boolean", "false"), "int32": ("long", "0L"), "int64": ("long", "0L")}
_SETTER = """\
        /** {what} */
        public Row {name}({kind} value) {{
            return put({column}, value);
        }}
"""


def java_values(url: str, bento: str, signature: Signature) -> dict[str, str]:
    """What the template of the Java client is filled with.

    Args:
        url: where the deployment listens.
        bento: tag of its model.
        signature: what that takes and answers.
    """
    names = identifiers([one.name for one in signature.inputs])
    called = list(zip(names, signature.inputs, strict=True))
    return {
        "URL": java_text(url),
        "MODEL": java_text(bento),
        "CLASSES": ", ".join(map(java_text, signature.classes)),
        **(_CLASSES if signature.is_classification else _OUTPUTS),
        **({"ANSWERED_DOC": _QUANTILES_DOC} if signature.quantiles else {}),
        "SETTERS": "\n".join(_setter(name, one) for name, one in called),
        "EXAMPLE": "\n".join(f"            row.{name}({_example(one)});" for name, one in called),
    }


def _setter(name: str, one: Input) -> str:
    what, kind = {
        "number": ("A number, or null where it is missing.", "Number"),
        "category": ("A text, or null where it is missing.", "String"),
        "array": (f"Numbers of shape {list(one.shape)}.", _held(one)[0] + "[]" * len(one.shape)),
        "text": ("A text of one token at least.", "String"),
    }[one.kind]
    return _SETTER.format(what=what, name=name, kind=kind, column=java_text(one.name))


def _example(one: Input) -> str:
    if one.kind == "number":
        return repr(example_number(one))
    if one.kind == "category":
        text = example_text(one)
        return "null" if text is None else java_text(text)
    if one.kind == "text":
        return java_text(TEXT)
    kind, zero = _held(one)
    # A length that may differ is one.
    return f"new {kind}{''.join(f'[{max(size, 1)}]' for size in one.shape)}" if one.shape else zero


def _held(one: Input) -> tuple[str, str]:
    return _HELD.get(one.dtype, ("double", "0.0"))
