import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import check, load, read
from lepton_nb.errors import DataError, NotFoundError
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def written(tmp_path):
    def write(text, name="rows.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def rows(line, count=12, header="a,b,t"):
    """A file of `count` lines; `{i}` is the number of the line, `{c}` one of two classes."""
    return header + "\n" + "".join(line.format(i=i, c="xy"[i % 2]) + "\n" for i in range(count))


def loaded(ws, path, **options):
    data = load(ws, path, target="t", **options)
    parts = [read(data, part)[0] for part in ("train", "validation", "test")]
    return data, {c.name: np.concatenate([part[c.name] for part in parts]) for c in data.columns}


def refuse(ws, path, message, kind=DataError, **options):
    options.setdefault("target", "t")
    with pytest.raises(kind, match=message) as caught:
        load(ws, path, **options)
    assert not ws.home.exists(), "a refused file left something on disk"
    assert "\n" not in str(caught.value)


def test_question_marks_blanks_and_spaces_are_missing_or_trimmed(ws, written):
    text = "a, b ,t\n" + "1, Oslo ,x\n?, ? ,y\n , NA,x\n 4,Rome,y\n" * 5
    data, columns = loaded(ws, written(text))
    assert [(c.name, c.kind, c.categories) for c in data.columns] == [
        ("a", "number", ()),
        ("b", "category", ("Oslo", "Rome")),
    ]
    assert np.isnan(columns["a"]).sum() == 10
    assert sorted(set(columns["b"])) == ["", "Oslo", "Rome"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_seen_in_the_first_line(ws, written, delimiter):
    data, columns = loaded(ws, written(rows("{i}.5,v{c},{c}").replace(",", delimiter)))
    assert [c.kind for c in data.columns] == ["number", "category"]
    assert sorted(columns["a"]) == [i + 0.5 for i in range(12)]


def test_semicolons_go_with_decimal_commas(ws, written):
    _, columns = loaded(ws, written(rows("{i},25;-1e3;{c}", header="a;b;t")))
    assert sorted(columns["a"])[:2] == [0.25, 1.25]
    assert set(columns["b"]) == {-1000.0}


def test_a_byte_order_mark_is_no_part_of_the_first_name(ws, written):
    data, _ = loaded(ws, written(b"\xef\xbb\xbf" + rows("{i},1,{c}").encode()))
    assert [c.name for c in data.columns] == ["a", "b"]


def test_windows_line_ends_and_blank_lines_are_fine(ws, written):
    data, _ = loaded(ws, written(rows("{i},1,{c}").replace("\n", "\r\n") + "\r\n\r\n"))
    assert (sum(data.rows.values()), data.classes) == (12, ("x", "y"))


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(ws, written):
    data, columns = loaded(ws, written(rows('{i},"say ""{c}"", then\nstop",{c}')))
    assert set(columns["b"]) == {'say "x", then\nstop', 'say "y", then\nstop'}
    assert sum(data.rows.values()) == 12


def test_whole_numbers_truth_values_and_codes_keep_their_meaning(ws, written):
    _, columns = loaded(ws, written(rows("{i},TRUE,{c}").replace("TRUE", "true", 5)))
    assert set(columns["b"]) == {"True"}
    assert columns["a"].dtype == np.float64


def test_a_target_of_whole_numbers_has_their_text_as_class_names(ws, written):
    text = "a,t\n" + "".join(f"{i},{10 + i % 3}\n" for i in range(30))
    assert load(ws, written(text), target="t").classes == ("10", "11", "12")


def test_the_index_that_pandas_writes_is_left_out(ws, tmp_path):
    frame = pd.DataFrame({"a": np.arange(20.0) ** 2, "t": ["x", "y"] * 10})
    frame.to_csv(tmp_path / "indexed.csv")
    assert [c.name for c in load(ws, tmp_path / "indexed.csv", target="t").columns] == ["a"]


def test_tab_separated_files_may_be_called_tsv(ws, written):
    data, _ = loaded(ws, written(rows("{i}\t1\t{c}", header="a\tb\tt"), "My Rows (1).TSV"))
    assert data.name == "my_rows_1_"


def test_an_all_missing_and_a_constant_column_stay_inputs(ws, written):
    data, columns = loaded(ws, written(rows(",7,{c}")))
    assert [(c.kind, c.low, c.high) for c in data.columns] == [("number", None, None), ("number", 7.0, 7.0)]
    assert np.isnan(columns["a"]).all()


def test_a_missing_file_is_named_with_what_could_be_there(ws, tmp_path):
    refuse(ws, tmp_path / "none.csv", r"none\.csv' does not exist.*digits.*current folder", NotFoundError)


def test_an_unknown_name_lists_the_known_ones(ws):
    refuse(ws, "sklearn:mnist", "breast_cancer, diabetes, digits, iris, wine", NotFoundError, target=None)
    refuse(ws, "digit", "'digit' does not exist", NotFoundError, target=None)


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_called_empty(ws, written, text):
    refuse(ws, written(text), r"rows\.csv is empty; expected a line of column names")


def test_a_file_with_names_alone_has_no_rows(ws, written):
    refuse(ws, written("a,b,t\n"), "has no rows")


@pytest.mark.parametrize(
    ("line", "said"), [("1,x", "line 4 has 2 fields; expected 3"), ("1,2,3,x", "line 4 has 4 fields; expected 3")]
)
def test_a_ragged_row_is_named_by_its_line(ws, written, line, said):
    lines = rows("{i},1,{c}").splitlines()
    lines[3] = line
    refuse(ws, written("\n".join(lines)), said)


def test_the_line_of_a_ragged_row_counts_line_ends_inside_quotes(ws, written):
    refuse(ws, written('a,b,t\n1,"two\nlines",x\n1,2\n'), "line 4 has 2 fields")


def test_a_column_name_twice_is_named(ws, written):
    refuse(ws, written(rows("1,2,{c}", header="a, a,t")), "column names more than once: 'a'")


def test_a_column_without_a_name_is_refused_unless_it_is_an_index(ws, written):
    refuse(ws, written(rows("v{c},1,{c}", header=",b,t")), "a column without a name")


def test_other_encodings_are_named_with_the_line(ws, written):
    refuse(
        ws, written(rows("1,2,{c}").encode() + "3,Zürich,x\n".encode("latin-1")), r"not UTF-8 text \(line 14\).*0xfc"
    )
    refuse(ws, written(rows("1,2,{c}").encode("utf-16")), "got UTF-16")


def test_a_missing_target_column_suggests_the_near_one(ws, written):
    path = written(rows("{i},1,{c}", header="age,city,income"))
    refuse(
        ws,
        path,
        "'incom' does not exist; expected one of age, city, income.*did you mean 'income'",
        NotFoundError,
        target="incom",
    )
    refuse(ws, path, "needs a target; expected one of its columns: age, city, income", target=None)


def test_missing_labels_are_counted_and_the_first_rows_named(ws, written):
    lines = rows("{i},1,{c}", 20).splitlines()
    for number in (3, 5, 7, 9, 11, 13):
        lines[number] = "1,1,"
    refuse(ws, written("\n".join(lines)), r"'t' is missing in 6 of 20 rows \(rows 3, 5, 7, 9, 11, \.\.\.\)")


def test_one_class_is_refused(ws, written):
    refuse(ws, written(rows("{i},1,same")), "'t' has one class, 'same'")


def test_a_continuous_target_is_refused_where_classes_are_asked_for(ws, written):
    asked = {"task": "classification"}
    refuse(ws, written(rows("{i},1,{i}.5")), "looks continuous: 12 distinct numbers", **asked)
    refuse(ws, written(rows("1,1,{i}", 40)), "looks continuous: 40 distinct numbers in 40 rows.*--task regr", **asked)


def test_a_target_that_hardly_repeats_is_refused(ws, written):
    refuse(ws, written(rows("1,1,name{i}", 40)), "40 distinct values in 40 rows; expected classes that repeat")


@pytest.mark.parametrize("day", ["2024-01-{i:02}", "{i}.01.2024", "2024-01-{i:02} 10:30:00", "1/{i}/2024"])
def test_a_column_of_dates_is_refused_with_what_to_do(ws, written, day):
    text = "day,t\n" + "".join(f"{day.format(i=i + 1)},{'xy'[i % 2]}\n" for i in range(20))
    refuse(ws, written(text), r"'day' holds dates.*--ignore 'day'.*--time-column 'day'")
    assert load(ws, written("n," + text.replace("\n", "\n1,")[:-2]), target="t", ignore=["day"]).columns[0].name == "n"


def test_text_that_hardly_repeats_is_refused_unless_ignored(ws, written):
    path = written("name,n,t\n" + "".join(f"person {i},{i},{'xy'[i % 2]}\n" for i in range(200)))
    refuse(ws, path, r"'name' is text with 200 distinct values in 200 rows.*'person 0'.*--ignore 'name'")
    assert [c.name for c in load(ws, path, target="t", ignore="name").columns] == ["n"]


def test_a_few_texts_among_numbers_are_named(ws, written):
    path = written(rows("{i}.5,1,{c}", 200) + "unknown,1,x\n~3,1,y\n")
    refuse(ws, path, r"'a' is text, not numbers, because of 'unknown', '~3'; expected numbers throughout")
    short = written(rows("{i},1,{c}", 30) + "unknown,1,x\n")
    assert any("because of 'unknown'" in p.what and p.level == "warning" for p in check(ws, short, "t").problems)


def test_an_ignored_column_must_exist(ws, written):
    refuse(ws, written(rows("{i},1,{c}")), "ignored column 'z' does not exist", NotFoundError, ignore=["z"])


def test_infinite_numbers_are_counted(ws, written):
    refuse(ws, written(rows("{i},1,{c}") + "inf,1,x\n-inf,1,x\n"), r"'a' has 2 infinite values \(rows 13, 14\)")


def test_a_target_alone_has_no_inputs(ws, written):
    refuse(ws, written("t\n" + "x\ny\n" * 5), "has no inputs")


def test_two_rows_cannot_be_split(ws, written):
    refuse(ws, written("a,t\n1,x\n2,y\n"), "2 rows cannot be split; expected at least 3")


def test_a_folder_and_an_unknown_suffix_are_refused(ws, tmp_path, written):
    refuse(ws, tmp_path, "is a folder")
    refuse(ws, written("{}", "rows.xlsx"), r"\.csv, \.tsv.*got \.xlsx")


def test_a_broken_parquet_file_is_refused(ws, written):
    refuse(ws, written("no parquet", "rows.parquet"), "not a readable Parquet file")


@pytest.mark.parametrize("times", ["31.12.2023", "soon"])
def test_a_time_column_in_no_order_is_refused(ws, written, times):
    path = written(f"when,a,t\n{times},1,x\n" + "2024-01-01,1,y\n" * 9)
    refuse(ws, path, "'when' cannot be put in order; expected numbers or ISO 8601", split="time", time_column="when")


def test_a_gap_in_the_time_column_is_refused(ws, written):
    path = written("when,a,t\n" + "2024-01-01,1,x\n,1,y\n" * 5)
    refuse(ws, path, r"'when' is missing in 5 rows \(rows 2, 4", split="time", time_column="when")
