"""The layers of a network, as a row passes them. This module imports torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..records import Layer

__all__ = ["large_products", "layers_of"]

# Multiplications of a layer in one batch, from which on several threads share them well.
_LARGE = 8_000_000


def layers_of(network: nn.Module, row: Sequence[int], *, reads_tokens: bool = False) -> tuple[Layer, ...]:
    """The parts that have no parts of their own, in the order in which a row passes them, each once.

    Args:
        network: a module whose forward takes `[N, *row]`.
        row: shape of one row.
        reads_tokens: whether a row holds token ids, int64; else it holds float32.

    Raises:
        UsageError: forward fails on such rows.
    """
    names = {one: name for name, one in network.named_modules() if not list(one.children())}
    found: dict[nn.Module, Layer] = {}

    def look(module: nn.Module, _: Any, given: Any) -> None:
        first = given[0] if isinstance(given, (tuple, list)) and given else given
        shape = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()
        count = sum(one.numel() for one in module.parameters())
        found.setdefault(module, Layer(names[module], type(module).__name__, shape, count))

    hooks = [one.register_forward_hook(look) for one in names]
    was_training = network.training
    rows = torch.ones((2, *row), dtype=torch.int64 if reads_tokens else torch.float32)
    try:
        network.eval()
        with torch.no_grad():
            network(rows)
    except Exception as cause:
        raise UsageError(
            f"forward of {type(network).__name__} fails on rows of shape {tuple(row)}",
            got=f"{type(cause).__name__}: {cause}",
            hint="--data DATA, whose rows it takes",
        ) from cause
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return tuple(found.values())


def large_products(network: nn.Module, row: Sequence[int], rows: int, *, reads_tokens: bool = False) -> int:
    """Multiplications of a forward pass in those layers that have many: convolutions and products of matrices.

    What goes step by step, as recurrent layers do, is not among them.

    Args:
        network: a module whose forward takes `[N, *row]`.
        row: shape of one row.
        rows: N, of one batch.
        reads_tokens: as `layers_of` has it.

    Raises:
        UsageError: forward fails on such rows.
    """
    total = 0
    for layer in layers_of(network, row, reads_tokens=reads_tokens):
        if layer.kind == "Linear":
            places = math.prod(layer.shape[:-1])
        elif layer.kind in ("Conv1d", "Conv2d", "Conv3d"):
            places = math.prod(layer.shape[1:])
        else:
            continue
        here = layer.parameters * places * rows
        total += here if here >= _LARGE else 0
    return total
