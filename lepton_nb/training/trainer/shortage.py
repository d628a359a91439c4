"""A training that ran out of memory is told which batch size fits."""

from __future__ import annotations

import gc
from typing import Any

import torch
from torch.utils._pytree import tree_map

from ...errors import TrainingError
from .finite import silent

__all__ = ["is_shortage", "told"]

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "bad_alloc")


def is_shortage(cause: BaseException) -> bool:
    """Whether an error says that there is no more memory, on a GPU or on this machine.

    Example:
        >>> is_shortage(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
        True
    """
    if isinstance(cause, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(cause, (RuntimeError, OSError)) and any(word in str(cause).lower() for word in _WORDS)


def told(cause: BaseException, module: Any, batch: Any, batch_size: int) -> TrainingError:
    """The error for people, with a batch size that was tried.

    Args:
        cause: what was raised.
        module: the network.
        batch: what it was working on; None when nothing was.
        batch_size: rows of it.
    """
    # What the failed step holds goes with its frames.
    cause.__traceback__ = None
    fits = _fitting(module, batch, batch_size) if batch is not None else None
    if fits:
        hint = f"--batch-size {fits} fits; --accumulate {-(-batch_size // fits)} keeps the rows per step as they were"
    else:
        hint = f"try --batch-size {max(1, batch_size // 4)}, or a smaller network"
    text = " ".join(str(cause).split())[:300] or type(cause).__name__
    return TrainingError(f"out of memory with {batch_size} rows in a batch", got=text, hint=hint)


def _fitting(module: Any, batch: Any, batch_size: int) -> int | None:
    """The largest of a half, a quarter, ... of the batch with which a step can be done, tried out."""
    size = batch_size // 2
    while size >= 1:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if _can_step(module, batch, batch_size, size):
            return size
        size //= 2
    return None


def _can_step(module: Any, batch: Any, whole: int, size: int) -> bool:
    def part(value: Any) -> Any:
        is_rows = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == whole
        return value[:size] if is_rows else value

    module.zero_grad(set_to_none=True)
    try:
        with silent(module):
            answer = module.training_step(tree_map(part, batch), 0)
            loss: Any = answer.get("loss") if isinstance(answer, dict) else answer
            if isinstance(loss, torch.Tensor):
                module.backward(loss)
    except Exception:  # noqa: BLE001 -- whatever stands in the way, this size was not shown to fit
        return False
    finally:
        module.zero_grad(set_to_none=True)
    return True
