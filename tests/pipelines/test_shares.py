"""Where the files of a step may travel through."""

import pytest

from lepton_nb.errors import LeptonError, UsageError
from lepton_nb.pipelines.executors.share import share_at


def test_a_share_that_one_process_sees_is_refused():
    with pytest.raises(UsageError, match="LEPTON_SHARE=memory://x is seen by one process only; expected an fsspec URL"):
        share_at("memory://x")


def test_a_share_of_an_unknown_kind_is_refused_by_name():
    with pytest.raises(LeptonError, match="LEPTON_SHARE=nowhere://x cannot be used"):
        share_at("nowhere://x")
