"""Files of pictures for the tests of this folder."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, value=0, size=(6, 5), mode="RGB", seed=None):
    """A picture of `size` = (width, height), of one value or random."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) + ((3,) if mode == "RGB" else ())
    values = np.full(shape, value) if seed is None else np.random.default_rng(seed).integers(0, 256, shape)
    Image.fromarray(values.astype(np.uint8)).save(path)
    return values
