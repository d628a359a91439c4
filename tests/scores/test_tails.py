"""The probabilities are those of `scipy.special`, also far out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import chdtrc, kolmogorov

from lepton_nb.scores.tails import chi_square_tail, kolmogorov_tail


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 10, 200, 201, 3000])
def test_chi_square_is_scipys(degrees):
    for times in (1e-9, 0.01, 0.5, 1.0, 1.5, 3.0, 20.0):
        expected = chdtrc(degrees, times * degrees)
        assert chi_square_tail(times * degrees, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert (chi_square_tail(0.0, degrees), chi_square_tail(np.inf, degrees)) == (1.0, 0.0)


@pytest.mark.parametrize("statistic", [0.0, 0.01, 0.2, 0.5, 0.79, 0.8, 0.81, 1.0, 1.36, 2.0, 5.0, 12.0, 100.0])
def test_kolmogorov_is_scipys(statistic):
    assert kolmogorov_tail(statistic) == pytest.approx(kolmogorov(statistic), rel=1e-9, abs=1e-300)
