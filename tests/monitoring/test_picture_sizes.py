"""Of pictures that come as files, the size that they were sent with is measured for drift."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image

from lepton_nb.artifact.reference import reference_of
from lepton_nb.drift import drift
from lepton_nb.monitoring.binning import Bins
from lepton_nb.monitoring.counts import total
from lepton_nb.monitoring.lines import count_lines
from lepton_nb.runtime import CHAMPION, Input, Signature, uuid7
from lepton_nb.runtime.pictures import decoded, measured
from lepton_nb.runtime.predlog import prediction_lines

SIGNATURE = Signature("classification", ("no", "yes"), (Input("input", "array", (1, 4, 4), picture=True),))


def file_of(width: int, height: int, number: int = 0) -> bytes:
    sink = io.BytesIO()
    values = np.random.default_rng(number).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(values).save(sink, "PNG")
    return sink.getvalue()


def of_training(size=(6, 8), rows: int = 600):
    """The reference of pictures of two widths."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 255, (rows, 1, 4, 4)).astype(np.float32)
    sides = np.stack([rng.choice(size, rows), np.full(rows, 5)], axis=1).astype(np.int32)
    return reference_of(SIGNATURE, {"input": values}, rng.dirichlet([2, 2], rows), sides)


def lines(contents, how: str) -> list[bytes]:
    """Log lines as the server writes them, of files that came as such, in base64 in JSON, or as numbers."""
    found = []
    for content in contents:
        values, sides = decoded(content, SIGNATURE.inputs[0]).tolist(), None
        if how == "file":
            sides = {"input": measured(content)}
        elif how == "json":
            values = base64.b64encode(content).decode()
        answer = {"id": uuid7(), "label": "no", "probabilities": [0.75, 0.25]}
        more = {"time": time.time(), "slot": CHAMPION, "version": "p:1", "ms": 1.0, "sides": sides}
        found += prediction_lines([{"input": values}], [answer], **more).splitlines()
    return found


def counted(reference, *given: list[bytes]):
    batch = count_lines([line for some in given for line in some], lambda _: Bins(SIGNATURE, reference))
    assert batch.broken == 0
    return total(batch.windows.values()).models["p:1"]


@pytest.mark.parametrize("how", ["file", "json"])
def test_pictures_of_another_size_have_drifted_and_those_of_training_have_not(how):
    reference = of_training()
    rng = np.random.default_rng(1)
    same = [file_of(int(width), 5, number) for number, width in enumerate(rng.choice((6, 8), 300))]
    moved = [file_of(40, 5, number) for number in range(300)]
    for contents, expected in ((same, False), (moved, True)):
        found = {
            one.name: one for one in drift(reference, counted(reference, lines(contents, how)).like(reference)).features
        }
        assert (found["input.width"].drifted, found["input.height"].drifted) == (expected, False)


def test_pictures_that_came_as_numbers_have_no_size_and_miss_none():
    reference = of_training()
    files = [file_of(6, 5, number) for number in range(20)]
    alone = counted(reference, lines(files, "numbers"))
    assert (alone.rows, "input.width" in alone.features, alone.features["input.mean"].sum()) == (20, False, 20)
    both = counted(reference, lines(files, "numbers"), lines(files[:7], "file"))
    assert (both.rows, both.features["input.width"].sum(), both.features["input.width"][-1]) == (27, 7, 0)


def test_of_arrays_no_size_is_known_and_none_is_measured():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 255, (50, 1, 4, 4)).astype(np.float32)
    reference = reference_of(SIGNATURE, {"input": values}, rng.dirichlet([2, 2], 50))
    assert not [name for name in reference.features if name.endswith((".width", ".height"))]
    assert not [name for name in counted(reference, lines([file_of(9, 9)], "file")).features if "width" in name]


def test_a_picture_that_lies_on_its_side_is_measured_upright():
    sink = io.BytesIO()
    picture = Image.fromarray(np.zeros((3, 7), np.uint8))
    turned = picture.getexif()
    turned[0x0112] = 6
    picture.save(sink, "JPEG", exif=turned)
    assert measured(sink.getvalue()) == (3, 7)
