"""Rows without a server, against the reference of a Bento that was really packaged."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_nb.data import read
from lepton_nb.errors import DataError, FormatError
from lepton_nb.monitoring import check_drift


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_held_out_rows_of_a_real_model_are_ordinary_and_shifted_ones_are_not(name, trained, packaged):
    inputs, _ = read(trained(name).data, "test")
    model = packaged(name).model
    found = check_drift(model, inputs)
    assert found.verdict == "ordinary"
    assert "prediction" in {one.name for one in found.features}
    shifted = {key: values * (1.5 if i < 3 else 1.0) for i, (key, values) in enumerate(inputs.items())}
    assert check_drift(model, shifted).verdict == "drifting"


def test_an_input_that_is_missing_or_misshapen_is_named(trained, packaged):
    inputs, _ = read(trained("breast_cancer").data, "test")
    name, model = next(iter(inputs)), packaged("breast_cancer").model
    with pytest.raises(DataError, match=f"'{name}' is missing"):
        check_drift(model, {key: values for key, values in inputs.items() if key != name})
    with pytest.raises(DataError, match="do not fit"):
        check_drift(model, {**inputs, name: np.zeros((3, 7))})


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(FormatError, match="package the run again"):
        check_drift(tmp_path, {})
