"""What goes into a model and comes out of it, by name: the parts of `signature.json`. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["DTYPES", "KINDS", "Input", "Output", "Tokens"]

KINDS = ("number", "category", "array", "text")
# Types of an array, and what ONNX Runtime and the Open Inference Protocol call them.
DTYPES = {
    "float32": ("tensor(float)", "FP32"),
    "float64": ("tensor(double)", "FP64"),
    "int32": ("tensor(int32)", "INT32"),
    "int64": ("tensor(int64)", "INT64"),
    "bool": ("tensor(bool)", "BOOL"),
}


@dataclass(frozen=True)
class Tokens:
    """How a text becomes the numbers that the graph takes.

    The text is tokenised with the special tokens of the tokenizer, and cut to `most` tokens as the tokenizer says.

    Args:
        file: the tokenizer, a file of the `tokenizers` library beside the model.
        ids: the graph's input of token ids [N, L].
        dtype: of the ids.
        most: tokens of a text at most.
        padding: the id that fills up a shorter text.
        fixed: whether every text is filled up to `most` ids; else to the longest one of its batch.
        mask: the graph's input [N, L] that tells tokens and padding apart; empty where there is none.
        mask_dtype: of the mask.
        marks: what is 1 in the mask, `tokens` or `padding`.
        lengths: the graph's input [N] of the numbers of tokens; empty where there is none.
        side: where a shorter text is filled up.
        zeros: the graph's input [N, L] that is 0 for every text, such as the number of its segment; empty where there
            is none.
        zeros_dtype: of that input.
    """

    file: str
    ids: str
    dtype: str
    most: int
    padding: int
    fixed: bool = False
    mask: str = ""
    mask_dtype: str = "int64"
    marks: Literal["tokens", "padding"] = "tokens"
    lengths: str = ""
    side: Literal["right", "left"] = "right"
    zeros: str = ""
    zeros_dtype: str = "int64"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Tokens:
        """The object of a JSON object.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        made = cls(
            str(value["file"]),
            str(value["ids"]),
            str(value["dtype"]),
            int(value["most"]),
            int(value["padding"]),
            bool(value.get("fixed")),
            str(value.get("mask") or ""),
            str(value.get("mask_dtype") or "int64"),
            "padding" if value.get("marks") == "padding" else "tokens",
            str(value.get("lengths") or ""),
            "left" if value.get("side") == "left" else "right",
            str(value.get("zeros") or ""),
            str(value.get("zeros_dtype") or "int64"),
        )
        if not 0 < made.most <= 2**20 or made.padding < 0 or "/" in made.file or "\\" in made.file:
            raise ValueError("tokens are not described")
        for dtype in (made.dtype, made.mask_dtype, made.zeros_dtype):
            _known(dtype)
        return made


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Args:
        name: column name, or `input` for an array.
        kind: `number` (float64, NaN = missing), `category` (text, "" = missing), `array`, or `text` (free text that is
            tokenised).
        shape: shape of one row's value; empty for a scalar, -1 for a length that may differ.
        categories: the values seen in training (category).
        low: smallest value seen in training (number and array).
        high: largest value seen in training (number and array).
        unknown: whether a category that training did not see is answered or refused; of an array of whole numbers,
            whether one beyond `low` and `high` is.
        unit: of the numbers, for people; empty when it is not known.
        picture: whether an array [1 or 3, height, width] is a picture of numbers from 0 to 255, which may come as a
            file.
        dtype: of an array.
        tokens: how a text becomes numbers (text).
        highs: of an array of whole numbers whose range is refused beyond, the largest one at each place of the last
            dimension, where they differ; `high` is the largest of all.
    """

    name: str
    kind: Literal["number", "category", "array", "text"]
    shape: tuple[int, ...] = ()
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unknown: Literal["answered", "refused"] = "answered"
    unit: str = ""
    picture: bool = False
    dtype: str = "float32"
    tokens: Tokens | None = None
    highs: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what only newer models have is left out of the others."""
        value = asdict(self)
        if self.dtype == "float32":
            del value["dtype"]
        if self.tokens is None:
            del value["tokens"]
        if not self.highs:
            del value["highs"]
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Input:
        """The input of a JSON object.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        if (kind := value["kind"]) not in KINDS:
            raise ValueError(f"input kind {kind!r}, expected number, category or array, or text")
        return cls(
            str(value["name"]),
            kind,
            tuple(int(size) for size in value.get("shape") or ()),
            tuple(value.get("categories") or ()),
            value.get("low"),
            value.get("high"),
            "refused" if value.get("unknown") == "refused" else "answered",
            str(value.get("unit") or ""),
            bool(value.get("picture")),
            _known(str(value.get("dtype") or "float32")),
            Tokens.from_dict(value["tokens"]) if kind == "text" else None,
            _highs(value),
        )


@dataclass(frozen=True)
class Output:
    """One output of a model that does not tell a class.

    Args:
        name: of the output.
        dtype: of its numbers.
        shape: shape of one row's value; empty for a scalar, -1 for a length that may differ.
        unit: of the numbers, for people; empty when it is not known.
        quantile: of each number that is answered, in their order, what a true value lies below with this probability;
            None of an answer itself.
    """

    name: str
    dtype: str = "float32"
    shape: tuple[int, ...] = ()
    unit: str = ""
    quantile: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what only newer models have is left out of the others."""
        value = asdict(self)
        if self.quantile is None:
            del value["quantile"]
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Output:
        """The output of a JSON object.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        shape = tuple(int(size) for size in value.get("shape") or ())
        level = value.get("quantile")
        quantile = None if level is None else float(level)
        return cls(str(value["name"]), _known(str(value["dtype"])), shape, str(value.get("unit") or ""), quantile)


def _highs(value: Mapping[str, Any]) -> tuple[int, ...]:
    found = tuple(map(int, value.get("highs") or ()))
    if found and len(found) != (value.get("shape") or [0])[-1]:
        raise ValueError(f"{len(found)} largest numbers for shape {value.get('shape')}")
    return found


def _known(dtype: str) -> str:
    if dtype not in DTYPES:
        raise ValueError(f"numbers of type {dtype!r}, expected {', '.join(DTYPES)}")
    return dtype
