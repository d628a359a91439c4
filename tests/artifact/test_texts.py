"""Texts are fed to a served network as they were to the one that was trained, or the tokenizer is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn

from lepton_nb.artifact.texts import text_of
from lepton_nb.artifact.wanted import Wanted
from lepton_nb.errors import PackagingError

WORDS = ["a", "b", "c", "d", "e", "f"]
TEXTS = ["a b c a b c", "d", "e f", "c"]
LONGEST = 5


def made(*, special: bool = True, side: str = "right", words: list[str] = WORDS) -> Tokenizer:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    one = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="[UNK]"))
    one.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        one.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    one.enable_truncation(LONGEST, direction=side)
    one.enable_padding(pad_id=0, direction=side)
    return one


def ids_of(one: Tokenizer, texts: list[str] = TEXTS) -> np.ndarray:
    return np.array([row.ids for row in one.encode_batch(texts)])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(10, 4, padding_idx=0), nn.Linear(4, 2)

    def forward(self, text):
        return self.head(self.embed(text).sum(1))


class Bert(Net):
    def forward(self, text, attention_mask, token_type_ids):
        return self.head((self.embed(text) * attention_mask[:, :, None]).sum(1)) + token_type_ids.sum(1, keepdim=True)


class Placed(Net):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Embedding(LONGEST, 4)

    def forward(self, text):
        return self.head((self.embed(text) + self.place(torch.arange(text.shape[1]))).sum(1))


def found(network, one: Tokenizer, batch, folder, **wanted):
    one.save(str(folder / "tokenizer.json"))
    return text_of(network.eval(), [batch], (), Wanted(tokenizer=folder / "tokenizer.json", **wanted))


@pytest.mark.parametrize("side", ["right", "left"])
def test_texts_are_cut_and_filled_up_as_in_training(side, tmp_path):
    one = made(side=side)
    batch = ids_of(one)
    text = found(Net(), one, {"text": batch}, tmp_path)
    assert text.tokens.side == side
    assert text.fed(TEXTS)["text"].tolist() == batch.tolist()
    assert text.sizes({"text": batch}).tolist() == [5, 3, 4, 3]
    assert text.arranged({"text": batch})["text"].tolist() == batch.tolist()


def test_padding_on_the_left_is_seen_where_the_tokenizer_does_not_say_so(tmp_path):
    one = made(side="left")
    batch = ids_of(one)
    one.no_padding()
    assert found(Net(), one, {"text": batch}, tmp_path).tokens.side == "left"


def test_a_tokenizer_that_adds_other_special_tokens_is_refused_with_a_row_of_each(tmp_path):
    batch = ids_of(made(special=False))
    with pytest.raises(PackagingError, match="is not that of the training") as refused:
        found(Net(), made(), {"text": batch}, tmp_path)
    assert "[4, 5, 6, 4, 5]" in str(refused.value)
    assert "[2, 4, 5, 6, 3]" in str(refused.value)
    assert "save the tokenizer that made the batches" in str(refused.value)


def test_a_tokenizer_of_the_same_size_with_its_pieces_in_another_order_is_refused(tmp_path):
    pieces = ["[UNK]", "[PAD]", "lo", "hel", "##lo", "##p", "wor", "##d"]

    def of(order):
        one = Tokenizer(models.WordPiece({name: place for place, name in enumerate(order)}, unk_token="[UNK]"))
        one.pre_tokenizer, one.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
        one.enable_padding(pad_id=1)
        return one

    batch = ids_of(of(pieces), ["hello word", "help hello", "word"])
    assert found(Net(), of(pieces), {"text": batch}, tmp_path).tokens.padding == 1
    with pytest.raises(PackagingError, match="is not that of the training"):
        found(Net(), of([*pieces[:2], *pieces[3:], pieces[2]]), {"text": batch}, tmp_path)


def test_unknown_words_and_special_tokens_do_not_make_a_tokenizer_another_one(tmp_path):
    one = made()
    batch = ids_of(one, ["a unheard b", "never", "c nowhere"])
    text = found(Net(), one, {"text": batch}, tmp_path)
    assert text.written({"text": batch}) == ["a b", "", "c"]


def test_a_batch_without_padding_has_a_mask_by_its_name_and_segments_of_zeros(tmp_path):
    one = made()
    ids = ids_of(one, ["a b c", "d e f"])
    batch = {"text": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    text = found(Bert(), one, batch, tmp_path)
    assert (text.tokens.mask, text.tokens.marks, text.tokens.zeros) == ("attention_mask", "tokens", "token_type_ids")
    fed = text.fed(["a", "a b c"])
    assert fed["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    assert fed["token_type_ids"].tolist() == [[0] * 5, [0] * 5]


def test_an_argument_for_each_token_that_cannot_be_told_is_refused(tmp_path):
    class Two(Net):
        def forward(self, text, kind):
            return super().forward(text) + kind.sum(1, keepdim=True)

    ids = ids_of(made(), ["a b c", "d e f"])
    with pytest.raises(PackagingError, match="what argument 'kind' of forward is to be"):
        found(Two(), made(), {"text": ids, "kind": np.ones_like(ids)}, tmp_path)


def test_more_tokens_than_the_network_takes_are_refused(tmp_path):
    batch = {"text": ids_of(made())}
    with pytest.raises(PackagingError, match=r"--max-length 9 is more than the network takes; expected up to 5 tokens"):
        found(Placed(), made(), batch, tmp_path, most=9)
    assert found(Placed(), made(), batch, tmp_path, most=4).tokens.most == 4
