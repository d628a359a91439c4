import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lepton_nb.commands.find import data_of
from lepton_nb.commands.host import PlainHost, hosted
from lepton_nb.data import Choices, check, load, profile, read
from lepton_nb.errors import DataError, NotFoundError, UsageError
from lepton_nb.workspace import Workspace


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    frame = pd.DataFrame(
        {
            "year": np.arange(60) % 4 + 2020,
            "spend": np.arange(60) * 1.5,
            "city": ["Oslo", "Rome", "Bern"] * 20,
            "churned": ["no", "yes"] * 30,
        }
    )
    frame.to_parquet(tmp_path / "sales.parquet")
    frame.to_csv(tmp_path / "sales.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return frame


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


class Notebook(PlainHost):
    def __init__(self, **variables):
        super().__init__()
        self.variables = variables

    def resolve(self, name):
        return self.variables[name]

    def knows(self, name):
        return name in self.variables

    def names(self):
        return tuple(self.variables)


def refuse(ws, query, message, error=DataError):
    with pytest.raises(error, match=message) as raised:
        load(ws, query, target="churned")
    assert "\n" not in str(raised.value)
    assert not ws.data.exists()


@pytest.mark.parametrize("file", ["sales.parquet", "sales.csv"])
def test_the_rows_of_a_query_are_data(ws, file):
    data = load(ws, f"SELECT * EXCLUDE year FROM '{file}' WHERE year > 2020;", target="churned")
    assert (data.name, sum(data.rows.values())) == ("query", 45)
    assert [(column.name, column.kind) for column in data.columns] == [("spend", "number"), ("city", "category")]


@pytest.mark.parametrize(
    "query", ["from 'sales.parquet'", " \n(select * from 'sales.parquet')", "With x as (from 'sales.parquet') from x"]
)
def test_a_query_begins_with_select_with_or_from(ws, query):
    assert load(ws, query, target="churned").id == load(ws, "sales.parquet", target="churned").id


def test_what_a_query_computes_is_typed_as_a_table_is(ws):
    query = (
        "SELECT sum(1) OVER (ORDER BY spend) AS counted, (spend * 10)::DECIMAL(9, 2) AS price, spend > 20 AS much, "
        "city::ENUM('Oslo', 'Rome', 'Bern') AS city, CASE WHEN spend > 3 THEN spend END AS gaps, churned "
        "FROM 'sales.parquet'"
    )
    data = load(ws, query, target="churned")
    assert [column.kind for column in data.columns] == ["number", "number", "category", "category", "number"]
    assert set(read(data, "train")[0]["much"]) == {"True", "False"}


def test_a_query_joins_the_frames_of_the_notebook(ws, here):
    cities = pa.table({"city": ["Oslo", "Rome", "Bern"], "people": [7, 28, 1]})
    query = "SELECT f.spend, c.people, f.churned FROM frame f JOIN cities c USING (city) ORDER BY spend"
    with hosted(Notebook(frame=here, cities=cities, secret="text", spend=here)):
        data = data_of(ws, query, "churned")
    assert [column.name for column in data.columns] == ["spend", "people"]
    assert sum(data.rows.values()) == 60
    assert (
        data.id == load(ws, query, target="churned", choices=Choices(tables={"frame": here, "cities": cities}.get)).id
    )


def test_check_and_profile_take_a_query(ws, here):
    assert profile(ws, "FROM frame", "churned", {"frame": here}.get).rows == 60
    assert check(ws, "FROM frame", "churned", {"frame": here}.get).rows == 60


def test_variables_of_python_code_are_no_tables(ws, here):
    frame = here
    refuse(ws, "FROM frame", r"frame does not exist.*a DataFrame of this notebook")
    assert len(frame) == 60


def test_the_same_query_has_the_same_hash(ws):
    query = "SELECT spend % 7 AS a, spend % 3 AS b, churned FROM 'sales.csv' GROUP BY ALL"
    assert len({load(ws, query, target="churned").id for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1; SELECT 2", "SELECT and SELECT"),
        ("SELECT 1; COPY (SELECT 1) TO 'out.csv'", "SELECT and COPY"),
        ("WITH x AS (SELECT 1 AS a) INSERT INTO y SELECT a FROM x", "INSERT"),
    ],
)
def test_a_query_is_one_select(ws, tmp_path, query, said):
    refuse(ws, query, f"the query is {said}; expected one SELECT", UsageError)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("text", ["ATTACH 'x.db'", "INSTALL httpfs", "COPY x TO 'y'", "PRAGMA version", "selected"])
def test_a_text_that_is_no_query_is_looked_for_as_a_file(ws, text):
    refuse(ws, text, "does not exist", NotFoundError)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT spend, FROM WHERE", "syntax error.*next: mend the query"),
        ("SELECT nothing FROM 'sales.csv'", '"nothing" not found.*mend'),
        ("FROM 'none.csv'", r"none\.csv.*name a file in quotes"),
        ("FROM 'https://example.org/rows.parquet'", "Cannot access.*files of this machine"),
        ("FROM 's3://bucket/rows.parquet'", "Cannot access.*files of this machine"),
        ("FROM enable_logging(storage := 'memory')", "locked"),
        ("FROM query('COPY (SELECT 1) TO ''out.csv''')", "single SELECT"),
    ],
)
def test_what_duckdb_refuses_is_said_in_one_line(ws, tmp_path, query, said):
    refuse(ws, query, f"the query cannot be run; got .*{said}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sales.csv", "sales.parquet"]


def test_a_query_without_rows_is_refused(ws):
    refuse(ws, "FROM 'sales.csv' WHERE spend < 0", "has no rows")
