"""A column of text is loaded as it is, and its tokenizer is trained on the training part alone."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from lepton_nb.data import TextOptions, check, features, inputs_of, load, module, preprocessing, read
from lepton_nb.data.batches import TextBatches
from lepton_nb.data.store import find
from lepton_nb.data.vocabularies import trained_tokenizer
from lepton_nb.errors import DataError, FormatError, NotFoundError, UsageError
from lepton_nb.workspace import read_json, write_json

WORDS = ["free", "prize", "call", "home", "dinner", "see", "you", "tonight", "claim", "cash"]


def spoken(count=80, seed=0):
    """Messages of 3 to 12 words, none of them twice."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(3, 12))) + f" {row}" for row in range(count)]


def frame(texts=None, **more):
    texts = spoken() if texts is None else texts
    return pd.DataFrame({"label": ["spam", "ham"] * (len(texts) // 2), "text": texts, **more})


def loaded(ws, rows=None, **options):
    return load(ws, frame() if rows is None else rows, target="label", **options)


def test_the_only_input_of_text_that_hardly_repeats_is_a_text(ws, tmp_path):
    path = tmp_path / "messages.csv"
    frame().to_csv(path, index=False)
    data = load(ws, path, target="label")
    assert (data.kind, data.columns[0].kind, data.columns[0].name) == ("text", "text", "text")
    assert data.feature_shape == (data.columns[0].tokens.most,)
    assert "texts of" in str(data.table().rows)
    assert find(ws, data.id) == data


def test_texts_that_repeat_stay_categories_unless_they_are_asked_for(ws):
    rows = frame([WORDS[row % 3] for row in range(80)])
    assert loaded(ws, rows).kind == "table"
    assert loaded(ws, rows, text=TextOptions("text")).kind == "text"


def test_rows_keep_the_text_as_it_came(ws, tmp_path):
    texts = spoken(80)
    texts[:4] = ["NA", " true ", 'a,b;\n"c"', "?"]
    path = tmp_path / "messages.csv"
    frame(texts).to_csv(path, index=False)
    for source in (path, frame(texts)):
        data = load(ws, source, target="label")
        kept = [text for part in data.rows for text in read(data, part)[0]["text"]]
        assert sorted(kept) == sorted(texts)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_the_same_texts_give_the_same_tokenizer_in_every_process(kind):
    texts = [f"{text} Überall 日本語" for text in spoken(60)]
    code = (
        "import sys, json, hashlib; from lepton_nb.data.vocabularies import trained_tokenizer;"
        f"print(hashlib.sha256(trained_tokenizer(json.loads(sys.stdin.read()), {kind!r}, 400)).hexdigest())"
    )
    asked = [sys.executable, "-c", code]
    done = subprocess.run(asked, input=json.dumps(texts), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(trained_tokenizer(texts, kind, 400)).hexdigest()


def test_the_tokenizer_learns_from_the_training_part_alone_and_is_not_stored(ws):
    data = loaded(ws, text=TextOptions(vocabulary=320))
    train = read(data, "train")[0]["text"].tolist()
    assert preprocessing(data).content == trained_tokenizer(train, "bpe", 320)
    assert {path.name for path in data.path.iterdir()} == {"meta.json", "split.npz", "table.parquet", "targets.npy"}
    assert data.vocabulary <= 320


def test_another_tokenizer_than_that_of_the_load_is_refused(ws):
    data = loaded(ws)
    meta = read_json(data.path / "meta.json")
    meta["texts"]["digest"] = "0" * 64
    del meta["format"]
    write_json(data.path / "meta.json", meta)
    with pytest.raises(FormatError, match="not the one that it was loaded with"):
        preprocessing(find(ws, data.id))


def test_a_text_becomes_its_tokens_with_padding_behind_them(ws):
    data = loaded(ws, text=TextOptions(max_length=6))
    ids, targets = features(data, "train")
    assert ids.dtype == np.int64
    assert ids.shape == (data.rows["train"], 6)
    assert len(targets) == len(ids)
    sizes = (ids != 0).sum(axis=1)
    assert all((row[:size] != 0).all() for row, size in zip(ids, sizes, strict=True))
    assert ids.max() < data.vocabulary


def test_a_text_beyond_the_limit_is_cut_and_that_is_said(ws):
    data = loaded(ws, text=TextOptions(max_length=4))
    assert data.feature_shape == (4,)
    assert data.texts.cut > 0
    assert f"{data.texts.cut} texts are longer and cut" in str(data.table().rows)
    # No more places than the longest text of the training part fills.
    assert loaded(ws).feature_shape[0] < 256


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_a_text_that_is_missing_is_told_with_its_row(ws, empty):
    texts = spoken()
    texts[2] = texts[4] = empty
    with pytest.raises(DataError, match=r"text 'text' is empty in 2 of 80 rows \(rows 3, 5\)"):
        loaded(ws, frame(texts), text=TextOptions("text"))
    found = [problem for problem in check(ws, frame(texts), target="label").problems if problem.columns == ("text",)]
    assert [problem.level for problem in found] == ["error"]


def test_a_text_without_a_token_is_told_with_its_row(ws):
    texts = spoken()
    texts[1] = "\x00\x01"
    with pytest.raises(DataError, match=r"one token at least in every row.*|is empty in 1 of 80 rows \(row 2\)"):
        loaded(ws, frame(texts), text=TextOptions(tokenizer="wordpiece"))
    assert loaded(ws, frame(texts)).kind == "text"


def test_columns_beside_a_text_are_left_out_by_name_or_refused(ws):
    rows = frame(age=range(80))
    with pytest.raises(DataError, match=r"1 columns lie beside text 'text'.*--ignore 'age'"):
        loaded(ws, rows, text=TextOptions("text"))
    with pytest.raises(DataError, match=r"text with 80 distinct values.*--text 'text'"):
        loaded(ws, rows)
    assert loaded(ws, rows, text=TextOptions("text"), ignore=["age"]).id == loaded(ws, rows, ignore="age").id


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("txt", NotFoundError, r"text column 'txt' does not exist.*did you mean 'text'\?"),
        ("label", UsageError, "column 'label' is no input"),
    ],
)
def test_a_text_column_that_cannot_be_is_refused(ws, column, error, message):
    with pytest.raises(error, match=message):
        loaded(ws, text=TextOptions(column))


def test_numbers_are_no_text(ws):
    rows = pd.DataFrame({"label": ["a", "b"] * 30, "x": range(60)})
    with pytest.raises(DataError, match="text 'x' holds numbers"):
        loaded(ws, rows, text=TextOptions("x"))
    with pytest.raises(UsageError, match=r"is not read as texts.*--text COLUMN"):
        loaded(ws, rows, text=TextOptions(vocabulary=500))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"tokenizer": "bpee"},
            r"tokenizer 'bpee' is unknown; expected one of bpe, wordpiece; next: did you mean bpe\?",
        ),
        ({"vocabulary": 10}, "--vocabulary 10 is not allowed; expected 300 to"),
        ({"max_length": 0}, "--max-length 0 is not allowed; expected 1 to"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        TextOptions(**options)


def test_hostile_texts_become_tokens_of_their_own_and_never_padding(ws):
    texts = spoken()
    texts[:6] = [
        "[PAD]",
        "[UNK] [PAD] </s>",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "a" * 20000,
        "\u202eevil",
        "<b>&amp;",
    ]
    for kind in ("bpe", "wordpiece"):
        data = loaded(ws, frame(texts), text=TextOptions(tokenizer=kind, max_length=64))
        for part in data.rows:
            ids, given = features(data, part)[0], read(data, part)[0]["text"]
            assert ids.max() < data.vocabulary
            for row, text in zip(ids, given, strict=True):
                size = int((row != 0).sum())
                assert size > 0, text
                assert (row[:size] != 0).all(), text


def test_the_rows_of_a_text_are_split_anew_as_they_are(ws):
    first = loaded(ws, text=TextOptions(tokenizer="wordpiece", max_length=7), seed=0)
    again = load(ws, first, target="label", seed=1)
    assert again.kind == "text"
    assert (again.texts.tokenizer, again.feature_shape) == ("wordpiece", (7,))
    assert again.id != first.id
    assert load(ws, first, target="label", seed=0).id == first.id


def test_texts_from_outside_are_taken_as_they_are(ws, tmp_path):
    data = loaded(ws)
    path = tmp_path / "asked.csv"
    path.write_text("other,text\n1,NA\n2, 12 \n3,true\n")
    assert inputs_of(path, data.columns)["text"].tolist() == ["NA", " 12 ", "true"]
    with pytest.raises(DataError, match=r"text 'text' is empty in 1 of 2 rows \(row 2\)"):
        inputs_of(pd.DataFrame({"text": ["a", None]}), data.columns)


def batches(seed=3, size=4, rank=0, world=1):
    sizes = torch.tensor([(row * 7) % 11 + 1 for row in range(90)])
    ids = (torch.arange(12)[None] < sizes[:, None]).long() * (torch.arange(90)[:, None] + 1)
    return TextBatches(ids, torch.arange(90), size, seed, rank, world)


def test_batches_are_as_long_as_their_longest_text_and_hold_every_row_once():
    loader = batches()
    for _ in range(2):
        found = list(loader)
        assert sorted(row for _, targets in found for row in targets.tolist()) == list(range(90))
        for ids, targets in found:
            assert ids.shape[1] == int((ids != 0).sum(dim=1).max())
            assert (ids[:, 0] == targets + 1).all()
    lengths = [ids.shape[1] for ids, _ in found]
    assert len(set(lengths)) > 1
    assert lengths != sorted(lengths)


def test_batches_of_texts_go_on_where_they_were_left():
    whole, half = batches(), batches()
    expected = [targets.tolist() for _ in range(2) for _, targets in whole]
    taken = [targets.tolist() for _, (_, targets) in zip(range(7), half, strict=False)]
    rest = batches()
    rest.load_state_dict(half.state_dict())
    taken += [targets.tolist() for _ in range(2) for _, targets in rest]
    assert taken == expected


def test_ranks_share_the_batches_of_one_process():
    alone = [set(targets.tolist()) for _, targets in batches(size=6)]
    shared = [[set(targets.tolist()) for _, targets in batches(size=6, rank=rank, world=2)] for rank in range(2)]
    assert [one | other for one, other in zip(*shared, strict=True)] == alone


def test_held_out_texts_keep_their_order(ws):
    data = loaded(ws)
    held_out = module(data, batch_size=5).test_dataloader()
    assert torch.cat([targets for _, targets in held_out]).tolist() == read(data, "test")[1].tolist()
