"""What every host must do, whichever place it stands for."""

import math
import time

import pytest

from lepton_nb.commands import current_host, hosted
from lepton_nb.records import Drawing, Epoch, Failed, Finished, Note, Progress, Started


def test_a_variable_is_known_and_resolved_where_there_are_variables(host_with) -> None:
    host, has_variables = host_with(answer=42)
    assert host.knows("answer") is has_variables
    if has_variables:
        assert host.resolve("answer") == 42


def test_what_is_not_there_is_not_known(host_with) -> None:
    assert not host_with()[0].knows("nothing_like_this")


def test_a_module_path_is_imported(host_with) -> None:
    assert host_with()[0].resolve("math:pi") == math.pi


@pytest.mark.parametrize("name", ["nothing_like_this", "math:nothing", "no_such_module_x:y"])
def test_an_unknown_name_is_not_found_and_named(host_with, not_found, name) -> None:
    with pytest.raises(not_found, match=name.split(":")[-1] if ":" not in name else name):
        host_with()[0].resolve(name)


def test_every_kind_of_event_can_be_reported_in_any_order(host_with, capsys) -> None:
    host, _ = host_with()
    now = time.time()
    events = [
        Progress(now, 1, 2),
        Started(now, "work", 2),
        Progress(now, 1, 2, "half"),
        Epoch(now, 0, 10, {"loss": 1.0}, best=True),
        Note(now, "a line"),
        Drawing(now, "<svg xmlns='http://www.w3.org/2000/svg'/>", "a picture"),
        Finished(now),
        Started(now, "again"),
        Failed(now, "ValueError", "bad"),
    ]
    for event in events:
        host.report(event)


def test_the_host_of_a_block_ends_with_it(host_with) -> None:
    host, _ = host_with()
    with hosted(host):
        assert current_host() is host
    assert current_host() is not host
