"""Pickles whose arrays and tensors stay outside of the pickle, so that nothing is copied on the way to a file."""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

import cloudpickle

__all__ = ["pickled"]


def pickled(value: Any) -> tuple[bytes, list[memoryview]]:
    """A value as cloudpickle has it, and the contents of its arrays and tensors, in order.

    Args:
        value: anything that cloudpickle takes.
    """
    stream, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(value)
    return stream.getvalue(), [buffer.raw() for buffer in buffers]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def reducer_override(self, value: Any) -> Any:
        """A tensor in memory goes as the array that it is; all else as cloudpickle would have it."""
        torch: Any = sys.modules.get("torch")
        if torch is not None and type(value) is torch.Tensor and _is_plain(torch, value):
            return _tensor, (value.numpy(),)
        return super().reducer_override(value)


def _is_plain(torch: Any, value: Any) -> bool:
    """Whether nothing is lost: NumPy has no bfloat16, and a small view of a large array would not be less."""
    whole = value.layout is torch.strided and value.device.type == "cpu" and value.is_contiguous()
    named = value.dtype != torch.bfloat16 and not value.dtype.is_complex and not value.is_quantized
    return bool(whole and named and not value.requires_grad and value.numel() and value.dtype.itemsize <= 8)


def _tensor(array: Any) -> Any:
    import torch

    return torch.from_numpy(array)
