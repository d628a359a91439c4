"""Networks that have a name, and the layers of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .shown import Result, Table

__all__ = ["Layer", "Layers", "Network", "Networks"]

# Options of a network in a list of all; the rest is told of one alone.
_SHOWN = 3


@dataclass(frozen=True)
class Network:
    """A network of the zoo.

    Args:
        name: what `lepton train` knows it by.
        about: what it is, in a line.
        tasks: what it can be trained for.
        inputs: the rows that it takes.
        options: its own arguments.
    """

    name: str
    about: str
    tasks: tuple[str, ...]
    inputs: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Networks(Result):
    """The networks of the zoo."""

    networks: tuple[Network, ...]

    def table(self) -> Table:
        """A row per network."""
        rows = [(one.name, one.about, ", ".join(one.tasks), one.inputs, _some(one.options)) for one in self.networks]
        note = "lepton models show NET: its options and layers; lepton train NET --data DATA --net NAME=VALUE"
        return Table(f"{len(rows)} networks", ("network", "what it is", "tasks", "inputs", "options"), rows, note)


@dataclass(frozen=True)
class Layer:
    """A part of a network that has no parts of its own.

    Args:
        name: where it lies in the network.
        kind: its class.
        shape: of what it gives for one row; empty where that is no tensor.
        parameters: numbers that it learns.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Layers(Result):
    """The layers of a network, in the order in which a row passes them.

    Args:
        network: its name.
        row: shape of a row.
        layers: those that a row passes.
        parameters: numbers that it learns, in all.
        options: its own arguments, where it is one of the zoo.
        picture: the layers as one `<svg>` element, every text in it escaped.
    """

    network: str
    row: tuple[int, ...]
    layers: tuple[Layer, ...]
    parameters: int
    options: tuple[str, ...] = ()
    picture: str = ""

    def table(self) -> Table:
        """A row per layer."""
        rows = [(one.name, one.kind, _shape(one.shape), f"{one.parameters:,}") for one in self.layers]
        title = f"{self.network}: {self.parameters:,} parameters, rows of {_shape(self.row)}"
        note = f"options: {' '.join(self.options)}" if self.options else ""
        return Table(title, ("layer", "kind", "gives", "parameters"), rows, note)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(include, exclude)
        return {**bundle, "text/html": self.picture + bundle["text/html"]}

    def to_json(self) -> dict[str, Any]:
        """The layers; the picture is for people."""
        body = super().to_json()
        del body["picture"]
        return body


def _some(options: tuple[str, ...]) -> str:
    """The first few of them, and how many there are besides."""
    more = len(options) - _SHOWN
    return ", ".join(options[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
