"""Texts that a model is asked drift by their tokens; private ones are never looked at."""

from __future__ import annotations

import json

import numpy as np
import pytest
from judging import predict
from tokenizers import Tokenizer, models, pre_tokenizers

from lepton_nb.artifact.reference import numbers_of
from lepton_nb.monitoring import drift_over_time, facts, health, observe
from lepton_nb.runtime import Distribution, Input, Reference, Signature, Tokens
from lepton_nb.runtime.privacy import Kept
from lepton_nb.runtime.token_features import token_features

_WORDS = [f"w{place}" for place in range(400)]
_TEXT = Input("text", "text", tokens=Tokens("tokenizer.json", "ids", "int64", 64, 0))


def _texts(count, *, seed, words=200, first=0, unknown=0.0):
    """Texts of words as frequent as words are: the k-th one 1/k as often as the first."""
    rng = np.random.default_rng(seed)
    often = 1 / np.arange(1, words + 1)
    texts = []
    for _ in range(count):
        places = first + rng.choice(words, rng.integers(8, 30), p=often / often.sum())
        texts.append(" ".join("other" if rng.random() < unknown else _WORDS[place] for place in places))
    return texts


@pytest.fixture
def asked(logged):
    """A deployment of a model of texts, as it is packaged."""
    one = logged(inputs=(Input("city", "category", categories=("oslo", "rome")),))
    tokenizer = Tokenizer(
        models.WordLevel({name: place for place, name in enumerate(["[PAD]", "[UNK]", *_WORDS])}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(one.model / "tokenizer.json"))
    ids = [row.ids for row in tokenizer.encode_batch(_texts(3000, seed=99, unknown=0.02))]
    features = {name: numbers_of(values) for name, values in token_features("text", ids, 1).items()}
    prediction = Distribution("category", (1500, 1500), categories=("no", "yes"))
    signature = Signature("classification", ("no", "yes"), (_TEXT,))
    (one.model / "signature.json").write_text(json.dumps(signature.to_dict()))
    (one.model / "reference.json").write_text(json.dumps(Reference(features, prediction, 3000).to_dict()))
    return one


def _ask(one, texts, **more):
    predict(one, [{"text": text} for text in texts], [0.4, 0.6] * (len(texts) // 2), **more)


def test_texts_like_those_of_the_training_are_ordinary(asked):
    for seed in range(3):
        _ask(asked, _texts(400, seed=seed, unknown=0.02))
    found = health(asked.ws, asked.name).drift
    assert (found.rows, found.drifted) == (1200, False)
    assert {one.name for one in found.features} == {
        "prediction", "text.tokens", "text.unknown", *(f"text.words{place}" for place in range(16))
    }  # fmt: skip


def test_without_a_tokenizer_the_other_columns_are_counted(asked):
    city = Distribution("category", (500, 500), categories=("oslo", "rome"))
    both = Signature("classification", ("no", "yes"), (_TEXT, Input("city", "category", categories=("oslo", "rome"))))
    reference = json.loads((asked.model / "reference.json").read_text())
    reference["features"]["city"] = Reference({"city": city}, city, 1).to_dict()["features"]["city"]
    (asked.model / "signature.json").write_text(json.dumps(both.to_dict()))
    (asked.model / "reference.json").write_text(json.dumps(reference))
    (asked.model / "tokenizer.json").write_text("none")
    predict(asked, [{"text": "w1", "city": "oslo"}] * 20, [0.4, 0.6] * 10)
    found = observe(asked.ws, asked.name).since(None).models[asked.version]
    assert (found.rows, list(found.features), found.features["city"][0]) == (20, ["city"], 20)


@pytest.mark.parametrize(
    ("change", "feature"),
    [({"unknown": 0.2}, "text.unknown"), ({"first": 150}, "text.words"), ({"words": 5}, "text.words")],
)
def test_other_words_and_unknown_ones_are_seen(asked, change, feature):
    _ask(asked, _texts(400, seed=1, **{"unknown": 0.02, **change}))
    found = health(asked.ws, asked.name)
    assert found.verdict == "drifting"
    assert any(one.drifted and one.name.startswith(feature) for one in found.drift.features)
    assert drift_over_time(asked.ws, asked.name)[-1].drift.drifted


def test_shorter_texts_are_seen_and_rules_may_ask(asked):
    _ask(asked, [" ".join(text.split()[:4]) for text in _texts(400, seed=1)])
    values, functions = facts(asked.ws, asked.name)
    assert "text.tokens" in values
    assert functions["psi"]("text.tokens") > 1


@pytest.mark.parametrize("way", ["no", "hash"])
def test_private_texts_are_not_looked_at(asked, way):
    kept = Kept.read(f"{way}:text")
    _ask(asked, _texts(400, seed=1, first=150), kept=kept)
    found = health(asked.ws, asked.name).drift
    assert [one.name for one in found.features if one.name != "prediction"] == []


def test_a_model_that_was_packaged_before_has_no_such_features(asked):
    reference = json.loads((asked.model / "reference.json").read_bytes())
    reference["features"] = {}
    (asked.model / "reference.json").write_text(json.dumps(reference))
    (asked.model / "tokenizer.json").unlink()
    _ask(asked, _texts(200, seed=1))
    assert [one.name for one in health(asked.ws, asked.name).drift.features] == ["prediction"]
