"""What the training data looked like: `reference.json`, which drift is measured against. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import ModelError
from .formats import FORMAT, read_object

__all__ = ["REFERENCE_FILE", "Distribution", "Reference", "read_reference"]

REFERENCE_FILE = "reference.json"


@dataclass(frozen=True)
class Distribution:
    """Counted values of one feature.

    Args:
        kind: `number` or `category`.
        counts: one per bin, `len(edges) + 1` of them; or one per category and a last one for unseen values.
        edges: inner bin edges, ascending (number).
        categories: the known values (category).
        missing: rows without a value.
        outside: rows below or above all that training saw; None where nobody counted them. Not in the file.
    """

    kind: Literal["number", "category"]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    missing: int = 0
    outside: int | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Distribution:
        """The distribution of a JSON object."""
        return cls(
            value.get("kind", "category"),
            tuple(int(count) for count in value["counts"]),
            tuple(float(edge) for edge in value.get("edges") or ()),
            tuple(value.get("categories") or ()),
            int(value.get("missing", 0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object: edges or categories, whichever the kind has."""
        bins = {"edges": list(self.edges)} if self.kind == "number" else {"categories": list(self.categories)}
        return {"kind": self.kind, **bins, "counts": list(self.counts), "missing": self.missing}


@dataclass(frozen=True)
class Reference:
    """What the training data looked like, to compare traffic with: `reference.json`.

    Args:
        features: one distribution per feature of `features_of`.
        prediction: what was predicted: classes, or numbers where the answer is one number; None where it is neither.
        rows: rows counted.
    """

    features: Mapping[str, Distribution]
    prediction: Distribution | None
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with its format number."""
        features = {name: one.to_dict() for name, one in self.features.items()}
        told = self.prediction
        prediction = told.to_dict() if told and told.kind == "number" else None
        if told and told.kind == "category":
            prediction = {"categories": list(told.categories), "counts": list(told.counts)}
        return {"format": FORMAT, "features": features, "prediction": prediction, "rows": self.rows}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Reference:
        """The reference of a JSON object.

        Raises:
            ModelError: a key is missing or of the wrong type.
        """
        try:
            features = {str(name): Distribution.from_dict(one) for name, one in value["features"].items()}
            told = value["prediction"]
            return cls(features, None if told is None else Distribution.from_dict(told), int(value["rows"]))
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise ModelError(f"not a training reference: {type(cause).__name__} {cause}") from cause


def read_reference(folder: Path) -> Reference:
    """The training reference that lies in a model folder."""
    return Reference.from_dict(read_object(folder / REFERENCE_FILE))
