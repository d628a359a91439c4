"""Signatures with arrays of any type, texts and named outputs; those of before stay as they were, to the byte."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lepton_nb.runtime import Input, ModelError, Output, RequestError, Signature, Tokens
from lepton_nb.runtime.rows import arrays_of
from lepton_nb.runtime.summary import feature_kinds, features_of
from lepton_nb.runtime.tokens import Tokenizer, opened_tokenizer

TEXT = Input("text", "text", tokens=Tokens("tokenizer.json", "text", "int64", 4, 0, mask="mask", lengths="sizes"))
BOTH = Signature(
    "tensors", (), (TEXT, Input("steps", "array", (-1, 2)), Input("on", "array", (), dtype="bool")), (Output("mean"),)
)
PLAIN = Signature("classification", ("a", "b"), (Input("age", "number", low=1.0), Input("input", "array", (1, 2))))
# As it was written before there were texts and named outputs.
WRITTEN = {
    "format": 1,
    "task": "classification",
    "classes": ["a", "b"],
    "inputs": [
        {
            "name": name,
            "kind": kind,
            "shape": shape,
            "categories": [],
            "low": low,
            "high": None,
            "unknown": "answered",
            "unit": "",
            "picture": False,
        }
        for name, kind, shape, low in (("age", "number", [], 1.0), ("input", "array", [1, 2], None))
    ],
}


def test_a_classification_is_written_as_ever():
    assert json.dumps(PLAIN.to_dict()) == json.dumps(WRITTEN)
    assert Signature.from_dict(WRITTEN) == PLAIN


def test_texts_types_and_outputs_are_read_as_they_were_written():
    assert Signature.from_dict(json.loads(json.dumps(BOTH.to_dict()))) == BOTH


@pytest.mark.parametrize(
    "change",
    [
        {"task": "magic"},
        {"task": "classification"},
        {"outputs": []},
        {"outputs": [{"name": "x", "dtype": "object"}]},
        {"inputs": [{"name": "x", "kind": "text"}]},
        {"inputs": [{"name": "x", "kind": "array", "dtype": "object"}]},
        {"inputs": [{**TEXT.to_dict(), "tokens": {**TEXT.to_dict()["tokens"], "file": "../tokenizer.json"}}]},
        {"inputs": [{**TEXT.to_dict(), "tokens": {**TEXT.to_dict()["tokens"], "most": 0}}]},
    ],
)
def test_what_is_no_signature_is_refused(change):
    with pytest.raises(ModelError, match="not a model signature"):
        Signature.from_dict({**BOTH.to_dict(), **change})


def test_rows_of_a_length_that_may_differ_are_taken_when_they_are_alike():
    rows = [{"text": "a", "steps": [[1, 2], [3, 4], [5, 6]], "on": True}] * 2
    arrays = arrays_of(rows, BOTH)
    assert arrays["steps"].shape == (2, 3, 2)
    assert arrays["on"].dtype == bool
    with pytest.raises(RequestError, match=r"row 1, field 'steps': .* the same for all rows of a request"):
        arrays_of([rows[0], {**rows[0], "steps": [[1, 2]]}], BOTH)
    with pytest.raises(RequestError, match=r"row 0, field 'steps'"):
        arrays_of([{**rows[0], "steps": []}], BOTH)
    with pytest.raises(RequestError, match=r"row 0, field 'on': expected true and false, got 1"):
        arrays_of([{**rows[0], "on": 1}], BOTH)


def test_features_leave_texts_aside_and_tell_the_length_of_what_may_differ():
    arrays = arrays_of([{"text": "a", "steps": [[1, 2], [3, 4], [5, 6]], "on": True}], BOTH)
    found = features_of(arrays, BOTH)
    assert list(found) == list(feature_kinds(BOTH))
    assert not any("text" in name for name in found)
    assert found["steps.length"].tolist() == [3.0]
    assert found["on"].tolist() == [1.0]


def _tokenizer() -> bytes:
    from tokenizers import Tokenizer as Made
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    made = Made(WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "film": 3}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    # What the file says of its own is not what the model takes.
    made.enable_truncation(2)
    made.enable_padding(pad_id=1, length=9)
    return made.to_str().encode()


def test_texts_become_ids_a_mask_and_lengths():
    made = Tokenizer("text", TEXT.tokens, _tokenizer()).feed(["good film", "a good good film film"])
    assert made["text"].tolist() == [[2, 3, 0, 0], [1, 2, 2, 3]]
    assert made["mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert made["sizes"].tolist() == [2, 4]
    assert made["text"].dtype == np.int64


def test_a_text_of_megabytes_is_cut_before_it_is_tokenised():
    made = Tokenizer("text", TEXT.tokens, _tokenizer()).feed(["film " * 2_000_000])
    assert made["text"].tolist() == [[3, 3, 3, 3]]


def test_a_text_without_a_token_is_refused_by_its_row():
    with pytest.raises(RequestError, match="row 1, field 'text': expected text of one token at least"):
        Tokenizer("text", TEXT.tokens, _tokenizer()).feed(["good", " \n"])


def test_a_text_of_blanks_alone_is_refused_though_its_tokenizer_has_tokens_for_them():
    from tokenizers import Tokenizer as Made
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    made = Made(BPE({"[PAD]": 0, "\u0120": 1, "a": 2}, []))
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    assert made.encode("  ").ids == [1, 1]
    with pytest.raises(RequestError, match="row 1, field 'text': expected text of one token at least"):
        Tokenizer("text", TEXT.tokens, made.to_str().encode()).feed([" a", "  "])


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\x80\x04", b'{"version": "9.0", "model": {}}'])
def test_what_is_no_tokenizer_is_refused(content):
    with pytest.raises(ModelError, match=r"tokenizer.json is not a tokenizer"):
        opened_tokenizer(content, "tokenizer.json")
