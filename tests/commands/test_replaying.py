"""While a notebook is replayed, a verb that starts or changes something is refused, however it is called."""

from __future__ import annotations

import pytest

import lepton_nb
from lepton_nb.commands import VERBS, invoke
from lepton_nb.errors import ReplayError, UsageError

READS = (
    *(
        "data load",
        "data check",
        "data profile",
        "data drift",
        "models list",
        "models show",
        "runs",
        "runs show",
        "runs compare",
        "tune show",
        "deployments",
        "monitor",
        "output",
    ),
    *("doctor", "logs", "pipeline status", "pipeline graph", "compare", "explain"),
)


@pytest.mark.parametrize("path", [path for path in VERBS if path not in READS])
def test_a_verb_that_does_more_than_read_is_refused_with_what_is_not(path, fake_host, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LEPTON_REPLAY", "1")
    with pytest.raises(ReplayError, match=rf"lepton {path} starts or changes.*one of .*data load.*unset LEPTON_REPLAY"):
        getattr(lepton_nb, path.replace(" ", "_"))()
    assert invoke([*path.split(), "--help"], fake_host()).result is None
    assert f"Usage: lepton {path}" in capsys.readouterr().out


def test_words_are_refused_as_calls_are(fake_host, monkeypatch) -> None:
    monkeypatch.setenv("LEPTON_REPLAY", "1")
    for words in (["train", "cnn", "--data", "digits"], ["package"], ["stop", "x"], ["pipeline", "run", "x.yml"]):
        with pytest.raises(ReplayError):
            invoke(words, fake_host())


def test_reading_goes_on(monkeypatch) -> None:
    monkeypatch.setenv("LEPTON_REPLAY", "1")
    assert lepton_nb.runs.__module__ == "lepton_nb.commands.runs"
    assert callable(lepton_nb.load_model)


def test_a_notebook_that_is_not_known_is_asked_for(fake_host, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for flag in ("--check", "--replay"):
        with pytest.raises(UsageError, match=r"not known which notebook.*--notebook FILE\.ipynb"):
            invoke(["package", "last", flag], fake_host())
    with pytest.raises(UsageError, match="is for --check and --replay"):
        invoke(["package", "last", "--notebook", "x.ipynb"], fake_host())
