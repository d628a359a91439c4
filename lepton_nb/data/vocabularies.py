"""Tokenizers of the Hugging Face library, trained on texts: the same texts give the same one, byte for byte."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["TOKENIZERS", "trained_tokenizer"]

TOKENIZERS = ("bpe", "wordpiece")
# Padding is 0. As entries of the vocabulary alone: a token that is looked for in every text could be written there by
# whoever sends one.
_PADDING, _UNKNOWN = "[PAD]", "[UNK]"
_RARE = 2


def trained_tokenizer(texts: Sequence[str], kind: str, vocabulary: int) -> bytes:
    """The content of a `tokenizer.json`.

    Args:
        texts: what it learns from.
        kind: one of `TOKENIZERS`. `bpe` has a token for each byte, so that no text is unknown to it.
        vocabulary: how many tokens it tells apart at most.
    """
    # One thread, as with all that is ours; and the library warns when a process forks that has used several.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tokenizer = _bpe(texts, vocabulary) if kind == "bpe" else _wordpiece(texts, vocabulary)
    stated = json.loads(tokenizer.to_str())
    stated["added_tokens"] = []
    return json.dumps(stated, ensure_ascii=False, sort_keys=True).encode()


def _bpe(texts: Sequence[str], vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # A word at the beginning of a text is the same word as elsewhere, with a blank in front of it; and each digit is a
    # token, so that a number that was never seen looks like one that was.
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Prepend(" ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=_RARE,
        special_tokens=[_PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    return tokenizer


def _wordpiece(texts: Sequence[str], vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(
            word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        )
    letters: Counter[str] = Counter()
    for word, times in words.items():
        letters.update(dict.fromkeys(word, times))
    # Of a script with thousands of letters the rarest are unknown, and the vocabulary is as large as was asked.
    known = sorted(letters, key=lambda letter: (-letters[letter], letter))[: vocabulary // 2]
    inner = sorted({letter for word in words for letter in word[1:]} & set(known))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        min_frequency=_RARE,
        # The library would number the letters within words as its hash tables have them, another way each time.
        special_tokens=[_PADDING, _UNKNOWN, *(f"##{letter}" for letter in inner)],
        show_progress=False,
    )
    rare = set(letters) - set(known)
    shown = [text if rare.isdisjoint(text) else "".join(one for one in text if one not in rare) for text in texts]
    tokenizer.train_from_iterator(shown, trainer, length=len(shown))
    return tokenizer
