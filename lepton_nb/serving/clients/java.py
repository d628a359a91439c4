"""What a signature is called in Java."""

from __future__ import annotations

from ...runtime import Input, Signature
from .example import example_number, example_text
from .naming import identifiers, java_text

__all__ = ["java_values"]

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
        "SETTERS": "\n".join(_setter(name, one) for name, one in called),
        "EXAMPLE": "\n".join(f"            row.{name}({_example(one)});" for name, one in called),
    }


def _setter(name: str, one: Input) -> str:
    what, kind = {
        "number": ("A number, or null where it is missing.", "Number"),
        "category": ("A text, or null where it is missing.", "String"),
        "array": (f"Numbers of shape {list(one.shape)}.", "double" + "[]" * len(one.shape)),
    }[one.kind]
    return _SETTER.format(what=what, name=name, kind=kind, column=java_text(one.name))


def _example(one: Input) -> str:
    if one.kind == "number":
        return repr(example_number(one))
    if one.kind == "category":
        text = example_text(one)
        return "null" if text is None else java_text(text)
    return f"new double{''.join(f'[{size}]' for size in one.shape)}" if one.shape else "0.0"
