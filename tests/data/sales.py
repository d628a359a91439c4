"""Sales that are streamed."""

import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import (
    Choices,
    load,
)
from lepton_nb.errors import DataError

STREAM = Choices(stream=True)


def frame(rows=5000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row": np.arange(rows, dtype=float),
            "x": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(1e6, 3, rows)),
            "count": rng.integers(0, 9, rows),
            "city": rng.choice(["Oslo", "Rome", "Bern", None], rows),
            "member": rng.random(rows) < 0.5,
            "bought": rng.choice(["no", "yes", "perhaps"], rows),
        }
    )


def streamed(ws, path, **options):
    return load(ws, path, target="bought", choices=STREAM, **options)


def refuse(ws, path, message, error=DataError, target="bought", **options):
    with pytest.raises(error, match=message) as raised:
        load(ws, path, target=target, choices=STREAM, **options)
    assert "\n" not in str(raised.value)
    assert not list(ws.data.glob("*")) if ws.data.exists() else True
