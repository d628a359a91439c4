"""Recurrent layers that read rows of different lengths in both directions, and that ONNX has as one operator each."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .dropout import Dropout

__all__ = ["Cell", "Recurrent", "as_torch_has_it", "layer_of", "states_of", "translations"]

Cell = Literal["gru", "lstm"]

_LAYERS: dict[str, Any] = {"gru": nn.GRU, "lstm": nn.LSTM}

# One layer with biases, one direction, rows first.
_WORDS = (True, 1, 0.0, False, False, True)


class Recurrent(nn.Module):
    """Layers of cells, each one forwards and one backwards over the steps that a row has.

    A row is turned round within its own length, so that what is read never begins with padding: two rows that are
    answered together do not change each other's answer.

    Args:
        cell: `gru` (arXiv:1406.1078) or `lstm` (Hochreiter & Schmidhuber, 1997).
        before: width of a step.
        width: of the state of each direction.
        layers: how many, one on top of the other.
        dropout: share of the values dropped between layers in training.
    """

    def __init__(self, cell: Cell, before: int, width: int, layers: int, *, dropout: float) -> None:
        super().__init__()
        sizes = [before, *[2 * width] * (layers - 1)]
        self.forwards = nn.ModuleList(_Line(cell, size, width) for size in sizes)
        self.backwards = nn.ModuleList(_Line(cell, size, width) for size in sizes)
        self.dropout = Dropout(dropout)

    def forward(self, values: Tensor, is_step: Tensor) -> Tensor:
        """States of both directions.

        Args:
            values: float32 [N, L, D].
            is_step: bool [N, L]; the steps of a row stand in front.

        Returns:
            float32 [N, L, 2 width].
        """
        places = torch.arange(values.shape[1], device=values.device)
        sizes = is_step.sum(dim=1, keepdim=True)
        turned = torch.where(places < sizes, sizes - 1 - places, places)
        for number, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            values = self.dropout(values) if number else values
            behind = _taken(back(_taken(values, turned)), turned)
            values = torch.cat([ahead(values), behind], dim=2)
        return values


def _taken(values: Tensor, places: Tensor) -> Tensor:
    """The steps of each row in another order."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))


class _Line(nn.Module):
    """One direction of one layer: float32 [N, L, D] to [N, L, width]."""

    def __init__(self, cell: Cell, before: int, width: int) -> None:
        super().__init__()
        self.cell: Cell = cell
        self.layer = layer_of(cell, before, width)

    def forward(self, values: Tensor) -> Tensor:
        return states_of(self.cell, self.layer, values)


def layer_of(cell: str, before: int, width: int) -> Any:
    """One layer of torch's with biases, in one direction, that takes rows first.

    Raises:
        ValueError: there is no such cell.
    """
    if cell not in _LAYERS:
        raise ValueError(f"{cell!r} is no recurrent cell: {' or '.join(_LAYERS)}")
    return _LAYERS[cell](before, width, batch_first=True)


def states_of(cell: Cell, layer: Any, values: Tensor) -> Tensor:
    """The states of a recurrent layer of torch's, behind each step, float32 [N, L, width].

    Args:
        cell: what it is.
        layer: one layer with biases, in one direction, that takes rows first.
        values: float32 [N, L, D].
    """
    if torch.compiler.is_exporting():
        # Traced as torch has it, it would be written out step by step, and for one length of a row.
        state = values.new_zeros(1, values.shape[0], layer.hidden_size)
        exported: Tensor = torch.ops.lepton_nb.recurrent(cell, values, state, list(layer.parameters()))
        return exported
    states: Tensor = layer(values)[0]
    return states


def _run(cell: str, values: Tensor, state: Tensor, weights: Sequence[Tensor]) -> Tensor:
    given: Any = (values, state if cell == "gru" else (state, state), list(weights), *_WORDS)
    states: Tensor = (torch.gru if cell == "gru" else torch.lstm)(*given)[0]
    return states


def _shape(cell: str, values: Tensor, state: Tensor, weights: Sequence[Tensor]) -> Tensor:
    return values.new_empty(values.shape[0], values.shape[1], state.shape[2])


# Torch takes an operator once in a process, and this module may be imported anew: a file of the package was edited.
if not hasattr(torch.ops.lepton_nb, "recurrent"):
    _LIBRARY = torch.library.Library("lepton_nb", "FRAGMENT")  # type: ignore[no-untyped-call]
    _LIBRARY.define("recurrent(str cell, Tensor values, Tensor state, Tensor[] weights) -> Tensor")  # type: ignore[no-untyped-call]
    _LIBRARY.impl("recurrent", _run, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake("lepton_nb::recurrent", _shape, lib=_LIBRARY)


def translations() -> dict[Any, Callable[..., Any]]:
    """What stands in ONNX for an operator of ours, as `torch.onnx.export` takes it."""
    return {torch.ops.lepton_nb.recurrent.default: _translated}


def as_torch_has_it(program: Any) -> None:
    """Put torch's own operators for ours into an exported program, which then runs where this package is not.

    Args:
        program: of `torch.export`; it is changed.
    """
    graph = program.graph_module.graph
    for node in graph.find_nodes(op="call_function", target=torch.ops.lepton_nb.recurrent.default):
        cell, values, state, weights = node.args
        shown, kept = node.meta["val"], state.meta["val"]
        with graph.inserting_before(node):
            if cell == "gru":
                made = graph.call_function(torch.ops.aten.gru.input, (values, state, weights, *_WORDS))
                made.meta["val"] = (shown, kept)
            else:
                made = graph.call_function(torch.ops.aten.lstm.input, (values, [state, state], weights, *_WORDS))
                made.meta["val"] = (shown, kept, kept)
            first = graph.call_function(operator.getitem, (made, 0))
            first.meta["val"] = shown
        node.replace_all_uses_with(first)
        graph.erase_node(node)
    program.graph_module.recompile()


def _translated(cell: str, values: Any, state: Any, weights: Sequence[Any]) -> Any:
    from onnxscript.function_libs.torch_lib.ops import core

    if cell == "gru":
        return core.aten_gru(values, state, weights, *_WORDS)[0]
    return core.aten_lstm(values, [state, state], weights, *_WORDS)[0]
