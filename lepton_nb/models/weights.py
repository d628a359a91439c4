"""Trained weights, at rest as safetensors: numbers and names, no code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import FormatError

__all__ = ["load_weights", "save_weights"]

_AGAIN = "train again: the network is built otherwise than when these weights were saved"


def save_weights(path: Path, module: Any) -> None:
    """Write a network's parameters and buffers, whole or not at all.

    Args:
        path: the file, by convention `weights.safetensors`.
        module: a `torch.nn.Module`; tensors that it shares are written once.
    """
    from safetensors.torch import save_model

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_model(module, str(temporary))
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(path: Path, module: Any) -> None:
    """Fill a network with the weights that `save_weights` wrote.

    Args:
        path: the file.
        module: a `torch.nn.Module` built with the same arguments.

    Raises:
        FormatError: the file is broken, or made for another network; the module is then not to be used.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(str(path))
        missing, unexpected = module.load_state_dict(state, strict=False)
    except (SafetensorError, RuntimeError) as cause:
        raise FormatError(f"{path} does not fit {type(module).__name__}", got=str(cause), hint=_AGAIN) from cause
    # A shared tensor rests under one of its names: the others are missing from the file, and filled all the same.
    current = module.state_dict()
    filled = {tensor.data_ptr() for name, tensor in current.items() if name in state}
    lacking = [name for name in missing if name not in current or current[name].data_ptr() not in filled]
    if lacking or unexpected:
        raise FormatError(
            f"{path} does not fit {type(module).__name__}",
            expected=f"weights named {', '.join(sorted(current)[:5])}",
            got=f"missing {', '.join(lacking[:5]) or 'none'}, unknown {', '.join(unexpected[:5]) or 'none'}",
            hint=_AGAIN,
        )
