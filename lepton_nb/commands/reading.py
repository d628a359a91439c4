"""What code in a notebook reads, beyond what a verb shows: rows of a data set, a trained network, its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..records import Bento
from ..workspace import current
from .find import data_of, run_of

if TYPE_CHECKING:
    import numpy as np

Part = Literal["train", "validation", "test"]


def read_data(data: object, part: Part = "test") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The rows of one part of a data set, before preprocessing.

    Args:
        data: a handle, a hash, a name, a file, or a variable of the notebook.
        part: which rows.

    Returns:
        One array per input (numbers as float64 [N], categories as text [N], an array as float32 [N, ...]),
        and the class indices, int64 [N].
    """
    from .. import data as room

    return room.read(data_of(current(), data), part)


def network_probabilities(run: object, part: Part = "test") -> np.ndarray:
    """What the trained network itself answers, in torch, without the artifact or a server.

    Args:
        run: a run, an id, a unique prefix, a name or `last`.
        part: which rows of the data it was trained with.

    Returns:
        Probabilities, float64 [N, C], in the order of the data's classes.
    """
    from .. import artifact

    ws = current()
    found = run_of(ws, run)
    return artifact.network_probabilities(found, data_of(ws, found.data), part)


def load_model(run: object = "last") -> Any:
    """The trained network of a run with its best weights, to use in Python.

    Args:
        run: a run, an id, a unique prefix, a name or `last`; or a Bento that was packaged with `--allow-code`, or its
            `name:version`: its source is run.

    Returns:
        A LightningModule in evaluation mode, on the CPU.

    Raises:
        NotFoundError: there is no such run, or it has no weights (yet).
        FormatError: a file of the run is broken.
    """
    from .. import models, packaging

    ws = current()
    if isinstance(run, str) and ":" in run:
        run = packaging.find(ws, run)
    return packaging.load_code(run) if isinstance(run, Bento) else models.load_trained(run_of(ws, run).path)
