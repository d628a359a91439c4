import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.runtime import distinct as module
from lepton_nb.runtime.distinct import distinct

ODD = (b"", b"a", b"a\0", b"\0", b"ab" * 40)
VALUES = st.lists(st.none() | st.binary(max_size=20) | st.sampled_from(ODD), max_size=40)


def column(values: list[bytes | None]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """As Arrow has it; what is missing has bytes all the same, which nobody may look at."""
    parts = [b"junk" if value is None else value for value in values]
    return b"".join(parts), np.cumsum([0, *map(len, parts)]), np.array([value is not None for value in values], bool)


def read(values: list[bytes | None]) -> list[bytes | None]:
    data, ends, present = column(values)
    first, places = distinct(data, ends.astype(np.int64), present)
    shown = [data[ends[row] : ends[row + 1]] if row >= 0 else None for row in first.tolist()]
    assert len(set(shown)) == len(shown)
    return [shown[place] for place in places.tolist()]


@given(VALUES)
def test_every_row_has_its_own_value_and_no_value_is_there_twice(values):
    assert read(values) == values


@pytest.mark.parametrize("length", [1, 7, 8, 9, 63, 64, 65, 300])
def test_values_of_any_length_are_told_apart_by_each_of_their_bytes(length):
    base = bytes(range(1, 256))[:length].ljust(length, b"x")
    others = [base[:place] + b"\xff" + base[place + 1 :] for place in range(min(length, 255))]
    values = [base, *others, base, base + b"\0", None]
    assert read(values) == values


def test_values_with_one_key_are_found_all_the_same(monkeypatch):
    # Without a factor that spreads them all keys are alike.
    monkeypatch.setattr(module, "_FACTOR", np.uint64(0))
    values = [b"a", b"b", None, b"a", b"", b"c" * 30]
    assert read(values) == values
