"""What is said when no Ray cluster can be had; a real one serves the tests of pipelines."""

import os
import sys
from unittest import mock

import pytest

from lepton_nb.errors import MissingError, PipelineError
from lepton_nb.processes import free_port
from lepton_nb.processes.cluster import connected


@pytest.fixture(autouse=True)
def environment():
    with mock.patch.dict(os.environ):
        yield


def test_a_cluster_that_does_not_answer_is_named_at_once_with_the_next_step(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(PipelineError, match=f"no Ray cluster answers at {address}; .*next: check RAY_ADDRESS"):
        connected(address, tmp_path).__enter__()


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:port"])
def test_an_address_that_is_none_is_refused(address, tmp_path):
    with pytest.raises(PipelineError, match="is no address of a Ray cluster; expected HOST:PORT"):
        connected(address, tmp_path).__enter__()


def test_without_ray_it_is_said_what_installs_it(tmp_path):
    with (
        mock.patch.dict(sys.modules, {"ray": None}),
        pytest.raises(MissingError, match=r"pip install .lepton_nb\[ray\]"),
    ):
        connected(None, tmp_path).__enter__()
