"""The formats a network can be exported to, and what each exporter is given and gives."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from ...artifact import build, build_examples, wanted_of
from ...models import Examples
from ...records import Artifact, Data, Run
from ...workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...artifact.subject import Subject as Network
    from ...runtime.answers import Answers

__all__ = ["FORMATS", "Exporter", "Made", "Subject", "exporter"]

# Format -> suffix of its files. The module of an exporter imports the library that does the work.
FORMATS = {"onnx": ".onnx", "onnx-int8": ".int8.onnx", "pt2": ".pt2", "executorch": ".pte"}
_MODULES = {"onnx": "onnx_file", "onnx-int8": "quantised", "pt2": "program", "executorch": "edge"}


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Args:
        ws: the workspace.
        run: a run that ended with weights.
        data: the data it was trained on, or what was kept of loaders of a notebook's own.
    """

    ws: Workspace
    run: Run
    data: Data | Examples

    @functools.cached_property
    def artifact(self) -> Artifact:
        """Its artifact, built when a format is made of it: torch can express what ONNX cannot."""
        if isinstance(self.data, Data):
            return build(self.ws, self.run, self.data)
        return build_examples(self.run, self.data, wanted_of(self.run))

    @functools.cached_property
    def network(self) -> Network | None:
        """The network of a run on loaders, with its held-out rows, as it was packaged; None of one on loaded data."""
        if isinstance(self.data, Data):
            return None
        from ...artifact.subject import subject_of

        return subject_of(self.run, self.data, wanted_of(self.run))


@dataclass(frozen=True)
class Made:
    """A file that is not written yet.

    Args:
        content: its bytes.
        predict: answers inputs of N rows from those very bytes, on one thread: float [N, C]; of a run on loaders the
            graph's outputs by their names, for the graph's inputs.
        prepared: whether it takes one input `features`, float32 [N, *feature_shape], as preprocessing gives it,
            instead of the raw inputs of the data.
        note: what a person should know of it, one line; may be empty.
    """

    content: bytes
    predict: Callable[[Mapping[str, NDArray[Any]]], Answers]
    prepared: bool = False
    note: str = ""


class Exporter(Protocol):
    """A module that makes the file of one format."""

    def require(self) -> None:
        """Refuse when the library it needs is not there.

        Raises:
            MissingError: names what to install.
        """

    def make(self, subject: Subject) -> Made:
        """The file, in memory.

        Args:
            subject: what is exported.

        Raises:
            PackagingError: the format cannot express the network.
        """


def exporter(name: str) -> Exporter:
    """The exporter of one of `FORMATS`."""
    return cast("Exporter", importlib.import_module(f".{_MODULES[name]}", __package__))
