import click
import pytest

import lepton_nb
from lepton_nb.commands import VERBS, face, invoke, root
from lepton_nb.errors import UsageError


@pytest.mark.parametrize("path", VERBS)
def test_every_verb_has_help_a_json_flag_and_a_python_function(path, fake_host, capsys) -> None:
    name = path.replace(" ", "_")
    assert callable(getattr(lepton_nb, name))
    assert face(name) is getattr(lepton_nb, name)
    assert invoke([*path.split(), "--help"], fake_host()).result is None
    out = capsys.readouterr().out
    assert "Usage: lepton " + path in out
    assert "--json" in out


def test_the_tree_lists_verbs_in_the_order_of_a_models_life(capsys) -> None:
    group = root()
    names = group.list_commands(click.Context(group))
    assert names.index("data") < names.index("train") < names.index("package") < names.index("serve")


def test_an_empty_line_and_a_group_alone_show_help(fake_host, capsys) -> None:
    assert invoke([], fake_host()).result is None
    assert invoke(["data"], fake_host()).result is None
    out = capsys.readouterr().out
    assert "Usage: lepton [OPTIONS]" in out
    assert "Usage: lepton data" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "'train'"),
        (["train", "cnn", "--epoch", "3", "--data", "x"], "'--epochs'"),
        (["data", "lod", "x"], "'load'"),
        (["runs", "sho"], "'show'"),
        (["train", "cnn"], "--data"),
        (["train", "cnn", "--data", "x", "--epochs", "many"], "integer"),
    ],
)
def test_wrong_words_are_met_with_what_would_be_right(words, told, fake_host) -> None:
    with pytest.raises(UsageError) as caught:
        invoke(words, fake_host())
    assert told in str(caught.value)
    assert "--help" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_attribute_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        lepton_nb.trian  # noqa: B018 - the access is the test
    assert "train" in dir(lepton_nb)


def test_the_version_is_printed(fake_host, capsys) -> None:
    invoke(["--version"], fake_host())
    assert lepton_nb.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["data"], ["runs", "--help"], ["pipeline"]])
@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_list_of_verbs_tells_each_first_sentence_whole(words, columns, fake_host, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    invoke(words, fake_host())
    out = capsys.readouterr().out
    listed = out.partition("Commands:")[2]
    assert not [line for line in listed.splitlines() if line.endswith("...")]
    listed = " ".join(listed.split())
    verbs = [path for path in VERBS if path.split()[:-1] == words[:1] and not (words and len(path.split()) == 1)]
    assert verbs
    for path in verbs:
        first = (face(path.replace(" ", "_")).__doc__ or "").splitlines()[0]
        assert f"{path.split()[-1]} {first}" in listed
