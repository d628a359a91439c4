import json
import math

import numpy as np
import pytest

from lepton_nb.errors import FormatError
from lepton_nb.records import Epoch, Failed, Finished, Note, Progress, Started, decode, encode

EVENTS = [
    Started(1.5, "cnn-1", 20),
    Progress(1.5, 3, 20, "epoch 1/2"),
    Epoch(1.5, 0, 20, {"val_loss": 0.25, "val_accuracy": 1.0}, best=True),
    Note(1.5, 'a "line"\nand another, in ünïcode'),
    Finished(1.5, "stopped", "best at epoch 3"),
    Failed(1.5, "ValueError", "no"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_is_one_line_and_comes_back_as_it_was(event):
    line = encode(event)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["format"] == 1
    assert decode(line) == event


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_metric_that_is_not_finite_is_null_in_the_file_and_nan_when_read(value):
    line = encode(Epoch(1.0, 0, 1, {"loss": value, "accuracy": np.float32(0.5)}))
    body = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert body["metrics"] == {"loss": None, "accuracy": 0.5}
    event = decode(line)
    assert isinstance(event, Epoch)
    assert math.isnan(event.metrics["loss"])


@pytest.mark.parametrize(
    "line",
    [
        encode(EVENTS[2])[:30],
        b"",
        b"[]",
        b"{}",
        b'{"format": 1, "kind": "weather", "time": 1}',
        b'{"format": 1, "kind": "note", "time": 1}',
        b'{"format": 1, "kind": "epoch", "time": 1, "epoch": 0, "step": 0, "metrics": 3}',
    ],
)
def test_a_torn_or_unknown_line_is_a_format_error(line):
    with pytest.raises(FormatError, match="unreadable run event"):
        decode(line)


def test_a_newer_format_is_said_to_be_newer():
    with pytest.raises(FormatError, match="run event of format 2; expected format 1 or older"):
        decode(encode(EVENTS[3]).replace(b'"format": 1', b'"format": 2'))
