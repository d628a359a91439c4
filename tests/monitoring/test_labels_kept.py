"""Labels from a file: all of them, or none."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judging import predict, uuid_at

from lepton_nb.errors import DataError, NotFoundError, UsageError
from lepton_nb.monitoring import feedback, labelled, quality


@pytest.fixture
def answered(logged):
    one = logged()
    return one, predict(one, one.rows(6), [0.9, 0.8, 0.7, 0.2, 0.1, 0.6])


def test_a_csv_file_is_joined_and_other_columns_are_left_aside(answered, tmp_path):
    one, ids = answered
    path = tmp_path / "labels.csv"
    lines = [
        f"{identifier},2026-01-01,{label}"
        for identifier, label in zip(ids, ["yes", " no ", "", "no", "no", "?"], strict=True)
    ]
    path.write_text("\n".join(["id,when,label", *lines]) + "\n")
    found = feedback(one.ws, one.name, path)
    assert (found.labels, found.joined, found.unmatched) == (4, 4, 0)
    told = dict(zip(*(labelled(one.ws, one.name)[name].to_pylist() for name in ("id", "truth")), strict=True))
    assert told == {ids[0]: "yes", ids[1]: "no", ids[3]: "no", ids[4]: "no"}
    (written,) = one.folder.glob("feedback-*.jsonl")
    assert written.stat().st_mode & 0o777 == 0o600
    assert list(one.folder.glob(".feedback-*")) == []


@pytest.mark.parametrize("kind", ["parquet", "frame", "table", "mapping"])
def test_other_forms_say_the_same(answered, tmp_path, kind):
    one, ids = answered
    frame = pd.DataFrame({"id": ids[:3], "label": ["yes", None, "no"]})
    table = pa.Table.from_pandas(frame)
    given = {"frame": frame, "table": table, "mapping": dict(zip(ids[:3], ["yes", None, "no"], strict=True))}.get(kind)
    if kind == "parquet":
        given = tmp_path / "labels.parquet"
        pq.write_table(table, given)
    assert feedback(one.ws, one.name, given).joined == 2
    assert quality(one.ws, one.name).accuracy == 0.5


def test_a_later_label_holds_and_an_unknown_id_is_counted(answered):
    one, ids = answered
    feedback(one.ws, one.name, {ids[0]: "no"})
    assert quality(one.ws, one.name).accuracy == 0.0
    found = feedback(one.ws, one.name, {ids[0]: "yes", uuid_at(1.7e9): "no"})
    assert (found.labels, found.joined, found.unmatched) == (2, 0, 1)
    assert quality(one.ws, one.name).accuracy == 1.0


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("{0}", "yes"), ("{1}", "maybe")], r"row 1: label 'maybe' is none that the model answers; expected no, yes"),
        ([("{0}", "yes"), ("17", "no")], r"row 1: '17' is no id of a prediction"),
        ([("{0}", "")], "there are no labels in it"),
    ],
)
def test_one_bad_row_and_nothing_is_written(answered, tmp_path, rows, says):
    one, ids = answered
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "".join(f"{identifier.format(*ids)},{label}\n" for identifier, label in rows))
    with pytest.raises(DataError, match=says):
        feedback(one.ws, one.name, path)
    assert list(one.folder.glob("*feedback-*")) == []


def test_what_is_no_file_of_labels_is_refused(answered, tmp_path):
    one, _ = answered
    path = tmp_path / "labels.csv"
    path.write_text("id,truth\nx,y\n")
    with pytest.raises(DataError, match=r"column .label. is missing.*got id, truth"):
        feedback(one.ws, one.name, path)
    with pytest.raises(NotFoundError, match="does not exist"):
        feedback(one.ws, one.name, tmp_path / "none.csv")
    (tmp_path / "labels.txt").write_text("")
    with pytest.raises(UsageError, match="unknown kind"):
        feedback(one.ws, one.name, tmp_path / "labels.txt")
    with pytest.raises(UsageError, match="int holds no labels"):
        feedback(one.ws, one.name, 3)


def test_the_verb_tells_what_it_did_and_monitor_what_it_means(answered, tmp_path, monkeypatch, capsys):
    from lepton_nb.cli.main import main

    one, ids = answered
    one.record()
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "".join(f"{identifier},yes\n" for identifier in ids))
    main(["feedback", one.name, "--labels", str(path), "--json"])
    assert json.loads(capsys.readouterr().out) == {"deployment": "demo", "labels": 6, "joined": 6, "unmatched": 0}
    main(["monitor", one.name])
    assert "labelled            6 of 6 predictions" in capsys.readouterr().out


@pytest.mark.parametrize(("severity", "status"), [("warning", 1), ("critical", 3)])
def test_the_exit_status_of_monitor_is_the_verdict(answered, tmp_path, monkeypatch, capsys, severity, status):
    from lepton_nb.cli.main import main

    one, _ = answered
    one.record()
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    path = one.ws.root / "mine.yml"
    path.write_text(f"alerts: {{any: {{when: requests > 0, severity: {severity}}}}}\n")
    for words in (["monitor", one.name, "--alerts", str(path)], ["monitor", one.name, "--json"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == status
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown["alerts"][0]["status"] == "firing"
    assert shown["verdict"] == {1: "warning", 3: "failing"}[status]


def test_an_error_of_monitor_is_no_verdict(answered, monkeypatch, capsys):
    from lepton_nb import monitoring
    from lepton_nb.cli.main import main

    one, _ = answered
    one.record()
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    for words, status, told in (
        (["monitor", "nobody"], 4, "there is no deployment"),
        (["monitor", one.name, "--since", "soon"], 5, "UsageError"),
        (["monitor", one.name, "--sinc", "1h"], 5, "UsageError"),
        (["monitor"], 5, "UsageError"),
        (["runs", "show", "nobody"], 1, "NotFoundError"),
        (["runs", "--sinc"], 2, "UsageError"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert (caught.value.code, told in capsys.readouterr().err) == (status, True), words

    def broken(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(monitoring, "monitor", broken)
    with pytest.raises(SystemExit) as caught:
        main(["monitor", one.name])
    assert caught.value.code == 4
    assert "RuntimeError: a fault of ours" in capsys.readouterr().err


def test_in_a_replay_no_alert_is_delivered(answered, monkeypatch):
    import lepton_nb

    one, _ = answered
    one.record()
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    (one.folder / "alerts.yml").write_text("alerts: {any: requests > 0}\ndeliver: {record: {file: told.jsonl}}\n")
    with monkeypatch.context() as replayed:
        replayed.setenv("LEPTON_REPLAY", "1")
        lepton_nb.monitor(one.name)
        assert not list(one.ws.root.rglob("told.jsonl"))
    lepton_nb.monitor(one.name)
    assert list(one.ws.root.rglob("told.jsonl"))


def test_in_a_replay_nothing_is_evaluated_or_remembered(answered, monkeypatch):
    import lepton_nb

    one, _ = answered
    one.record()
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    monkeypatch.setenv("LEPTON_REPLAY", "1")
    (one.folder / "alerts.yml").write_text("alerts: {any: requests > 0}\n")
    assert lepton_nb.monitor(one.name).alerts[0].status == "quiet"
    assert not (one.folder / "alerts" / "state.json").exists()
