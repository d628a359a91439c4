"""A network on a loaded data set of texts becomes a model that takes texts."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from lepton_nb.artifact import build, network_probabilities
from lepton_nb.data import TextOptions, load, preprocessing, read
from lepton_nb.runtime import RequestError, read_object, read_reference, read_signature
from lepton_nb.runtime.model import Model
from lepton_nb.workspace import Workspace

WORDS = ["free", "prize", "call", "home", "dinner", "see"]


class Bag(pl.LightningModule):
    """Mean of the vectors of the tokens; padding counts or does not."""

    def __init__(self, vocab_size, num_classes, counted=False) -> None:
        super().__init__()
        self.table, self.counted = torch.nn.Embedding(vocab_size, num_classes), counted

    def forward(self, ids):
        there = torch.ones_like(ids) if self.counted else (ids != 0).long()
        return (self.table(ids) * there[..., None]).sum(1) / there.sum(1, keepdim=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Messages of three to nine words in a workspace of their own."""
    ws = Workspace(tmp_path_factory.mktemp("texts") / ".lepton")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 3 + row % 7)) + f" {row}" for row in range(80)]
    frame = pd.DataFrame({"text": texts, "label": ["spam" if "free" in one else "ham" for one in texts]})
    return ws, load(ws, frame, target="label", text=TextOptions(vocabulary=300, max_length=12))


@pytest.fixture(scope="module")
def made_of(small, quick_run):
    """Makes a run on them and its artifact, once: leave it as it is."""

    @cache
    def make(*, counted=False):
        ws, data = small
        run = quick_run(ws, data, Bag, run_id=f"run{counted:d}", epochs=1, counted=counted)
        return data, run, build(ws, run, data)

    return make


def test_a_model_takes_texts_and_answers_as_the_network_does(made_of):
    data, run, made = made_of()
    (text,) = read_signature(made.path).inputs
    assert (text.name, text.kind, text.tokens.fixed) == ("text", "text", False)
    assert (made.path / "tokenizer.json").read_bytes() == preprocessing(data).content
    found = Model.load(made.path).predict(read(data, "test")[0])
    np.testing.assert_allclose(found, network_probabilities(run, data), atol=1e-5)


def test_texts_are_all_filled_up_to_one_length_where_padding_changes_an_answer(made_of):
    data, run, made = made_of(counted=True)
    assert read_signature(made.path).inputs[0].tokens.fixed
    found = Model.load(made.path).predict({"text": read(data, "test")[0]["text"][:3]})
    np.testing.assert_allclose(found, network_probabilities(run, data)[:3], atol=1e-5)


def test_what_lies_beside_the_graph_tells_of_texts(made_of):
    data, _, made = made_of()
    golden = read_object(made.path / "golden.json")
    assert [row["text"] for row in golden["rows"]] == read(data, "validation")[0]["text"].tolist()
    features = read_reference(made.path).features
    assert {"text.tokens", "text.words0", "text.words15"} <= set(features)
    assert sum(features["text.tokens"].counts) == data.rows["train"]


def test_a_text_beyond_the_limit_is_cut_and_one_without_a_token_is_refused(made_of):
    _, _, made = made_of()
    model = Model.load(made.path)
    long = " ".join(WORDS * 40)
    many = np.array([long, long + " and more", "\x00", "[PAD] [PAD]", "\u202e"], dtype=object)
    found = model.predict({"text": many})
    np.testing.assert_array_equal(found[0], found[1])
    assert np.isfinite(found).all()
    with pytest.raises(RequestError, match="row 1, field 'text': expected text of one token at least"):
        model.predict({"text": np.array(["a", ""], dtype=object)})
