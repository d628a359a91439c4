"""Two tables of any size are compared column by column."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

import lepton_nb
from lepton_nb.drift import compare_tables
from lepton_nb.errors import DataError, NotFoundError
from lepton_nb.scores import count_grid, count_number, edges_of


def lazily(table: dict):
    return {name: lambda values=values: values for name, values in table.items()}


def compared(now: dict, before: dict) -> dict:
    return {one.name: one for one in compare_tables(lazily(now), lazily(before)).features}


LAWS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "rounded": lambda rng, size: np.round(rng.normal(size=size), 1),
    "heavy tail": lambda rng, size: rng.pareto(1, size=size),
    "integers": lambda rng, size: rng.integers(0, 40, size).astype(float),
    "a spike": lambda rng, size: np.where(rng.random(size) < 0.5, 0, rng.normal(size=size)),
    "ends of bins": lambda rng, size: rng.integers(0, 45, size) / 44 * 2 - 1,
    "huge": lambda rng, size: rng.normal(size=size) * 1e307,
    "tiny": lambda rng, size: rng.normal(size=size) * 1e-310,
    "far from zero": lambda rng, size: rng.normal(size=size) - 1e6,
    "hardly told apart": lambda rng, size: 1e15 + rng.integers(0, 30, size) / 8,
    "a value far off": lambda rng, size: np.append(rng.normal(size=size - 1), 1e9),
}


@pytest.mark.parametrize("law", LAWS)
def test_counts_are_those_of_each_value_by_itself(law):
    values = LAWS[law](np.random.default_rng(0), 100_000)
    edges, low, high = edges_of(values[::20]), values.min(), values.max()
    between, even = count_grid(values, edges, low, high, 18)
    assert between.tolist() == count_number(values, edges).tolist()
    assert even.tolist() == np.histogram(values, 18, (low, high))[0].tolist()


def test_a_value_at_the_end_of_a_bin_is_in_the_bin_of_its_side():
    rng = np.random.default_rng(5)
    for size in (*10.0 ** np.arange(-300, 301, 30), 3.0, 1e-17):
        values = np.sort(rng.normal(rng.normal() * 9, 1, 400) * size)
        edges, low, high = edges_of(values), values[0], values[-1]
        cuts = np.concatenate([edges, np.linspace(low, high, 22)])
        near = np.concatenate([values, cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)])
        near = near[(near >= low) & (near <= high)]
        between, even = count_grid(near, edges, low, high, 21)
        assert between.tolist() == count_number(near, edges).tolist()
        assert even.tolist() == np.histogram(near, 21, (low, high))[0].tolist()


def test_measures_are_those_of_bins_of_equal_width_over_both_tables():
    rng = np.random.default_rng(1)
    before, now = rng.gamma(2, size=5000), rng.gamma(2, size=4000) + 0.2
    found = compared({"x": pa.array(now)}, {"x": pa.array(before)})["x"]
    edges = np.histogram_bin_edges(np.concatenate([before, now]), bins="sturges")
    p, q = np.histogram(before, edges)[0] / 5000, np.histogram(now, edges)[0] / 4000
    assert found.js == pytest.approx(jensenshannon(p, q, 2))
    p, q = np.where(p > 0, p, 1e-4), np.where(q > 0, q, 1e-4)
    assert found.psi == pytest.approx(((q - p) * np.log(q / p)).sum(), abs=2e-3)
    exact = ks_2samp(before, now)
    assert found.ks == pytest.approx(exact.statistic, abs=0.02)
    assert found.ks <= exact.statistic
    assert found.drifted is True


def test_columns_of_every_kind():
    rng = np.random.default_rng(2)
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=int(i)) for i in rng.integers(0, 300, 1000)]
    before = {
        "whole": pa.array(rng.integers(0, 1000, 1000)),
        "day": pa.array(days),
        "flag": pa.array(rng.random(1000) < 0.5),
        "text": pa.array(rng.choice(["a ", "b", "?"], 1000)),
        "category": pa.array(rng.choice(["a", "b"], 1000)).dictionary_encode(),
        "gaps": pa.array([None if i % 10 == 0 else float(i) for i in range(1000)]),
        "constant": pa.array([5.0] * 1000),
        "nothing": pa.nulls(1000),
        "lists": pa.array([[1]] * 1000),
        "only before": pa.array([1.0] * 1000),
    }
    found = compared({name: column for name, column in before.items() if name != "only before"}, before)
    assert set(found) == {"whole", "day", "flag", "text", "category", "gaps", "constant"}
    for one in found.values():
        assert (one.psi, one.effect, one.drifted, one.p_value) == (0, 0, False, 1)
    assert found["gaps"].missing == 0.1
    assert found["text"].missing == pytest.approx(1 / 3, abs=0.05)
    later = {
        **before,
        "day": pa.array([day + dt.timedelta(days=200) for day in days]),
        "text": pa.array(["c"] * 500 + ["a"] * 500),
        "gaps": pa.array([None] * 500 + [1.0] * 500),
        "constant": pa.array([5.0] * 900 + [6.0] * 100),
    }
    found = compared(later, before)
    assert {name for name, one in found.items() if one.drifted} == {"day", "text", "gaps", "constant"}
    assert (found["text"].unseen, found["gaps"].missing, found["constant"].out_of_range) == (0.5, 0.5, 0.1)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.float16(), pa.int16(), pa.uint64()])
def test_numbers_of_every_width_with_and_without_gaps_are_those_of_float64(kind):
    rng = np.random.default_rng(6)
    before, now = (pa.array(rng.integers(0, 200, size)).cast(kind, safe=False) for size in (3000, 2000))
    plain = compared({"x": now.cast(pa.float64())}, {"x": before.cast(pa.float64())})["x"]
    found = compared({"x": now}, {"x": before})["x"]
    assert (found.ks, found.effect, found.out_of_range) == (plain.ks, plain.effect, plain.out_of_range)
    gaps = pa.concat_arrays([pa.nulls(500, kind), now])
    assert compared({"x": gaps}, {"x": before})["x"].missing == 0.2
    assert compared({"x": gaps}, {"x": before})["x"].ks == plain.ks


def test_numbers_that_are_not_finite_are_missing_and_move_nothing_else():
    rng = np.random.default_rng(7)
    before, now = rng.normal(size=3000), rng.normal(size=2000)
    plain = compared({"x": pa.array(now)}, {"x": pa.array(before)})["x"]
    for odd in ([np.nan], [np.inf, -np.inf], [np.nan, np.inf]):
        mixed = np.insert(now, np.arange(0, 1000, 2), np.resize(odd, 500))
        found = compared({"x": pa.array(mixed)}, {"x": pa.array(before)})["x"]
        assert (found.psi, found.js, found.ks, found.missing) == (plain.psi, plain.js, plain.ks, 0.2)
    found = compared({"x": pa.array([np.nan] * 500)}, {"x": pa.array(before)})["x"]
    assert (found.missing, found.drifted) == (1.0, True)


def test_texts_are_counted_alike_however_they_are_stored():
    rng = np.random.default_rng(8)
    for size in (12, 500):
        names = [*(f"v{place}" for place in range(size)), " v1 ", "?", "YES"]
        before, now = (pa.array(rng.choice(names, 4000).tolist()) for _ in range(2))
        plain = compared({"x": now}, {"x": before})["x"]
        # Each piece has a dictionary of its own, as the row groups of a file have.
        pieces = pa.chunked_array([now[:1500].dictionary_encode(), now[1500:].dictionary_encode()])
        assert compared({"x": pieces}, {"x": before.dictionary_encode()})["x"] == plain
        encoded = before.dictionary_encode()
        unused = pa.DictionaryArray.from_arrays(
            encoded.indices, pa.concat_arrays([encoded.dictionary, pa.array(["new"])])
        )
        assert compared({"x": now}, {"x": unused})["x"] == plain
        assert compared({"x": pa.array(["new"] * 500)}, {"x": unused})["x"].unseen == 1
        gaps = pa.chunked_array([pa.nulls(1000, pieces.type), *pieces.chunks])
        assert compared({"x": gaps}, {"x": before})["x"].missing == pytest.approx(plain.missing * 0.8 + 0.2)


def test_a_column_of_names_is_compared_in_bounded_time():
    before = pa.array([f"customer {i}" for i in range(50_000)])
    now = pa.array([f"customer {i}" for i in range(25_000, 75_000)])
    found = compared({"name": now}, {"name": before})["name"]
    assert found.unseen == 0.5
    assert found.drifted is True


def test_sentences_are_compared_by_their_length_and_words():
    rng = np.random.default_rng(4)
    words = np.array([f"word{i}" for i in range(300)])

    def sentences(least, most):
        return pa.array([" ".join(words[rng.integers(0, 300, rng.integers(least, most))]) for _ in range(800)])

    before = sentences(5, 15)
    found = compared({"note": sentences(5, 15)}, {"note": before})
    assert set(found) == {f"note.{one}" for one in ("characters", "words", "word_length", "repeated", "other")}
    assert not any(one.drifted for one in found.values())
    found = compared({"note": sentences(15, 30)}, {"note": before})
    assert found["note.words"].drifted is True
    assert found["note.words"].out_of_range > 0.9
    shouted = pa.array([text.as_py().replace(" ", "! ") for text in before])
    assert compared({"note": shouted}, {"note": before})["note.other"].drifted is True


def test_tables_that_cannot_be_compared_are_refused():
    numbers, texts = pa.array([1.0, 2.0]), pa.array(["a", "b"])
    with pytest.raises(DataError, match=r"no column in common.*expected one of x.*got y"):
        compared({"y": numbers}, {"x": numbers})
    with pytest.raises(DataError, match=r"column 'x' is category in one table and number in the other"):
        compared({"x": texts}, {"x": numbers})
    with pytest.raises(DataError, match="no rows"):
        compared({"x": numbers[:0]}, {"x": numbers})
    with pytest.raises(DataError, match="holds numbers or text"):
        compared({"x": pa.array([[1]])}, {"x": pa.array([[1]])})


def test_the_verb_compares_files_and_frames(tmp_path, monkeypatch):
    import pandas as pd

    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    rng = np.random.default_rng(3)
    before = pd.DataFrame({"age": rng.normal(40, 10, 2000), "city": rng.choice(["oslo", "rome"], 2000)})
    now = before.assign(age=before["age"] + 15)
    pq.write_table(pa.Table.from_pandas(before), tmp_path / "before.parquet", row_group_size=300)
    now.to_csv(tmp_path / "now.csv", index=False)
    found = lepton_nb.data_drift(str(tmp_path / "now.csv"), str(tmp_path / "before.parquet"))
    assert (found.verdict, found.rows, [one.name for one in found.features]) == ("drifting", 2000, ["age", "city"])
    assert lepton_nb.data_drift(before, str(tmp_path / "before.parquet")).verdict == "ordinary"
    with pytest.raises(NotFoundError, match="no file"):
        lepton_nb.data_drift(str(tmp_path / "none.parquet"), before)
    (tmp_path / "bad.parquet").write_text("PAR1 no")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        lepton_nb.data_drift(str(tmp_path / "bad.parquet"), before)
