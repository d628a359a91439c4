"""Weights from a hub, where one can be reached."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import MissingError, NotFoundError, UsageError

__all__ = ["fetch_weights", "is_on_hub"]

_HUBS = ("hf:", "timm:")
_FILE = "model.safetensors"
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_on_hub(source: str) -> bool:
    """Whether weights are named by a hub: `hf:OWNER/NAME[/FILE]`, or `timm:NAME`.

    Example:
        >>> is_on_hub("timm:resnet18.a1_in1k"), is_on_hub("weights.safetensors")
        (True, False)
    """
    return source.startswith(_HUBS)


def fetch_weights(source: str) -> Path:
    """The file of weights on the Hugging Face Hub, fetched once and then taken from its cache.

    Args:
        source: `hf:OWNER/NAME`, `hf:OWNER/NAME/FILE.safetensors`, or `timm:NAME` for those of the library timm.

    Raises:
        UsageError: it names no weights.
        NotFoundError: the hub cannot be reached, or has no such file.
        MissingError: the hub's client is not installed.
    """
    owner, name, file = _parts(source)
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    except ImportError as cause:
        raise MissingError(
            "the client of the Hugging Face Hub is not installed", hint="pip install huggingface-hub"
        ) from cause
    repository = f"{owner}/{name}"
    if isinstance(kept := try_to_load_from_cache(repository, file), str):
        return Path(kept)
    try:
        # A download asks again for half a minute, with a warning each time, where this says at once what is the matter.
        get_hf_file_metadata(hf_hub_url(repository, file))
        return Path(hf_hub_download(repository, file))
    except Exception as cause:  # whatever stands between this machine and a hub
        why = next((line for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise NotFoundError(
            f"weights {source!r} were not fetched",
            expected=f"a hub that can be reached, with {owner}/{name}/{file}",
            got=f"{type(cause).__name__}: {why[:200]}",
            hint="check the name and the network, or pass a .safetensors file that you have",
        ) from cause


def _parts(source: str) -> tuple[str, str, str]:
    kind, _, rest = source.partition(":")
    words = ["timm", *rest.split("/")] if kind == "timm" else rest.split("/")
    if len(words) < 2 or not all(_WORDS.fullmatch(word) for word in words):
        raise UsageError(f"{source!r} names no weights", expected="hf:OWNER/NAME, hf:OWNER/NAME/FILE, or timm:NAME")
    file = "/".join(words[2:]) or _FILE
    if not file.endswith(".safetensors"):
        raise UsageError(
            f"{file!r} is not loaded: a pickle from elsewhere could run code", expected="a .safetensors file"
        )
    return words[0], words[1], file
