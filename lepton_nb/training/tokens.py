"""What the texts of a run, and those that its first weights were learned from, have in common."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..data import find, shared_tokens
from ..errors import FormatError, LeptonError
from ..records import Data
from ..workspace import Workspace, read_json, write_json
from .job import Job
from .sources import Loaders

__all__ = ["keep_tokens", "known_tokens"]

_FILE = "pretrained.tokens.json"


def keep_tokens(folder: Path, source: Data | Loaders, weights: Path) -> None:
    """Keep in a run's folder by which ids its first weights know its tokens, where these are not the same.

    Args:
        folder: of the run.
        source: what it is trained on.
        weights: `weights.safetensors` of another run, or a file of which nothing else is known.
    """
    if isinstance(source, Data) and source.texts:
        # Whatever a file knows by these ids, it is most likely something else.
        others = _data_of(weights)
        tokens: list[int] | None = [-1] * source.vocabulary
        if others is not None:
            # Where its tokenizer cannot be made again, nobody knows what its ids stood for.
            with contextlib.suppress(FormatError):
                tokens = shared_tokens(source, others)
        if tokens is not None:
            write_json(folder / _FILE, {"tokens": tokens}, mode=0o600)


def known_tokens(folder: Path) -> list[int] | None:
    """For each token id of a run's texts the id that its first weights know it by, -1 for none; None for the same."""
    path = folder / _FILE
    return list(read_json(path)["tokens"]) if path.is_file() else None


def _data_of(weights: Path) -> Data | None:
    """What a run was trained on, while that is there."""
    try:
        job = Job.read(weights.parent)
        return None if job.loaders else find(Workspace(job.home), job.data)
    except (LeptonError, OSError):
        return None
