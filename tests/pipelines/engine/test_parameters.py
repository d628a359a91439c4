"""Parameters arrive in the notebook as they were given, or are refused by name."""

import datetime as dt
import json
import keyword
import math
import pathlib
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.errors import NotFoundError, UsageError
from lepton_nb.pipelines.engine.parameters import PythonParameters, check, declared, record

TEXT = st.text(st.characters() | st.sampled_from("\"'\\\n\r\u2028\u2029\x00\ud800\udfff{}%!?#"))
ZONES = (
    st.none()
    | st.just(dt.UTC)
    | st.timezones()
    | st.builds(dt.timezone, st.timedeltas(-dt.timedelta(hours=23), dt.timedelta(hours=23)))
)
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=ZONES)
    | st.times()
    | st.timedeltas()
    | st.builds(pathlib.PurePosixPath, st.text(st.characters(exclude_characters="\x00"), max_size=20))
)
VALUES = st.recursive(
    HASHABLE | st.frozensets(HASHABLE, max_size=3) | st.sets(HASHABLE, max_size=3),
    lambda items: (
        st.lists(items, max_size=4)
        | st.lists(items, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, items, max_size=4)
    ),
    max_leaves=10,
)


CALLED = [
    *("float", "set", "frozenset", "bytearray", "__import__", "builtins"),
    *("datetime", "pathlib", "zoneinfo", "lepton_nb", "__name__", "__package__"),
]
NAMES = st.sampled_from([*CALLED, "x", "dict", "import_", "__builtin__"]) | st.text("abc_", min_size=2, max_size=3)


def arrived(parameters):
    """What a notebook finds, whatever its own parameters cell had bound before."""
    names = dict.fromkeys([*parameters, *CALLED])
    source = PythonParameters.codify(parameters)
    json.dumps(source).encode()
    exec(source, names)
    return {name: names[name] for name in parameters}


def exact(left, right):
    """Equal, of the same types all the way down, and with the same sign of zero."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(exact, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(map(exact, left.items(), right.items()))
    if isinstance(left, (dt.datetime, dt.time)):
        return left == right and repr(left) == repr(right)
    return left == right


@given(VALUES)
def test_a_value_arrives_exactly(value):
    assert exact(arrived({"x": value})["x"], value)


@given(st.dictionaries(NAMES.filter(lambda name: not keyword.iskeyword(name)), VALUES, max_size=6))
def test_no_name_stands_in_anothers_way(parameters):
    assert exact(arrived(parameters), parameters)


EDGES = [
    bytearray(b"\x00'"),
    10**5000,
    -(10**5000),
    2**14_000,
    math.inf,
    -math.inf,
    -0.0,
    [],
    (),
    {},
    set(),
    ((),),
    (1,),
]


@pytest.mark.parametrize("value", EDGES, ids=range(len(EDGES)))
def test_values_at_the_edge_arrive_exactly(value):
    assert exact(arrived({"x": [value, (value,)]})["x"], [value, (value,)])
    json.dumps(record({"x": value}), allow_nan=False)


def test_what_is_no_number_stays_none():
    assert math.isnan(arrived({"x": {"y": [math.nan]}})["x"]["y"][0])


def test_numbers_and_arrays_of_numpy_arrive_as_pythons():
    got = arrived({"x": np.float32(0.5), "y": np.int64(3), "z": np.array([[1, 2]])})
    assert exact(got, {"x": 0.5, "y": 3, "z": [[1, 2]]})


def test_a_zone_of_the_world_arrives_with_its_rules():
    value = dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    assert arrived({"x": value})["x"].utcoffset() == value.utcoffset()


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2026-01-01T00:00:00.123456789"),
        np.array(["2026-01-01"], "datetime64[ns]"),
        np.timedelta64(3, "ns"),
        np.datetime64("NaT"),
        np.array([("2026-01-01", 1)], [("at", "datetime64[ns]"), ("n", int)]),
    ],
    ids=range(5),
)
def test_times_that_python_cannot_hold_are_refused(value):
    with pytest.raises(UsageError, match=r"parameter 'x' cannot be passed.*(datetime|timedelta)64"):
        PythonParameters.codify({"x": [value]})


def test_times_of_numpy_in_microseconds_arrive_as_pythons():
    moment = dt.datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=dt.UTC).replace(tzinfo=None)
    got = arrived(
        {"x": np.datetime64(moment), "y": np.array([moment], "datetime64[us]"), "z": np.datetime64("2026-01")}
    )
    assert exact(got, {"x": moment, "y": [moment], "z": dt.date(2026, 1, 1)})


class Zone(dt.tzinfo):
    def utcoffset(self, _):
        return None


UNWRITABLE = [object(), {"a": [object()]}, lambda: 1, 1j, dt.datetime(2026, 1, 1, tzinfo=Zone())]


@pytest.mark.parametrize("value", UNWRITABLE, ids=range(len(UNWRITABLE)))
def test_a_value_that_no_source_makes_is_refused_with_its_parameters_name(value):
    with pytest.raises(UsageError, match="parameter 'x' cannot be passed"):
        PythonParameters.codify({"x": value})


def test_a_value_without_end_is_refused():
    value = []
    value.append(value)
    with pytest.raises(UsageError, match="nested too deeply"):
        PythonParameters.codify({"x": value})


@pytest.mark.parametrize(
    "name", ["a b", "x;import os", "x = 1\ny", "1x", "", "class", "None", "__debug__", "__builtins__", "ﬁ", "a.b", 3]
)
def test_a_name_that_would_be_other_code_is_refused(name):
    with pytest.raises(UsageError, match="no name of Python"):
        PythonParameters.codify({name: 1})
    with pytest.raises(UsageError, match="no name of Python"):
        check([name], None)


def test_a_parameter_that_the_notebook_does_not_declare_is_refused_with_the_nearest_name():
    cell = "%matplotlib inline\nepochs = 5\nlr: float = 0.1\na, b = 1, 2\nseed: int"
    assert declared(cell) == {"epochs", "lr", "a", "b", "seed"}
    check(["epochs", "lr", "b", "seed", "PAPERMILL_INPUT_PATH"], cell)
    with pytest.raises(UsageError, match=r"no parameter 'epoch'; expected one of a, b, .*did you mean 'epochs'"):
        check(["epoch"], cell)
    with pytest.raises(UsageError, match="its parameters cell is empty"):
        check(["epochs"], "# nothing yet")


def test_without_a_parameters_cell_to_read_any_name_is_taken():
    check(["anything"], None)
    check(["anything"], "x = = 1")


@given(VALUES)
def test_the_record_of_a_parameter_is_strict_json(value):
    json.dumps(record({"x": value}), allow_nan=False, ensure_ascii=False).encode()


def test_a_secret_is_a_call_in_the_source_and_a_name_in_the_record(monkeypatch):
    monkeypatch.setenv("LEPTON_SECRETS", "")
    monkeypatch.setenv("CANARY", "canary-in-a-cell")
    given_ = {"token": "secret:CANARY", "nested": {"secret:K": ["secret:CANARY"]}}
    assert "canary-in-a-cell" not in PythonParameters.codify(given_)
    assert arrived(given_) == {"token": "canary-in-a-cell", "nested": {"secret:K": ["canary-in-a-cell"]}}
    assert record(given_) == given_
    monkeypatch.delenv("CANARY")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(NotFoundError, match="no secret CANARY"):
        record(given_)
