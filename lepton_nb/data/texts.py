"""Rows that are one text each: how they are read, what is kept of them, and how they become token ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FormatError, UsageError
from ..records import Column, Data, Texts
from ..runtime import Tokens
from ..runtime.tokens import Tokenizer, opened_tokenizer
from .columns import TypedColumn, empty_texts, first_rows
from .rows import Rows
from .vocabularies import TOKENIZERS, trained_tokenizer

__all__ = ["TextEncoder", "TextOptions", "encoder_of", "refuse_empty", "refuse_text", "text_options_of", "text_rows"]

_FILE, _IDS = "tokenizer.json", "tokens"
_LONGEST, _LARGEST, _SMALLEST = 2**16, 2**20, 300
_AT_ONCE = 4096


@dataclass(frozen=True)
class TextOptions:
    """How texts are read.

    Args:
        column: the column that holds them; None where the only input is such text.
        tokenizer: `bpe` (pieces of bytes, arXiv:1508.07909) or `wordpiece` (pieces of words in lower case,
            arXiv:1609.08144); it is trained on the training part alone.
        vocabulary: how many tokens it tells apart.
        max_length: tokens of a text at most; a longer one is cut.

    Raises:
        UsageError: an option is not one of the legal values.
    """

    column: str | None = None
    tokenizer: str = "bpe"
    vocabulary: int = 1024
    max_length: int = 256

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            near = get_close_matches(str(self.tokenizer), TOKENIZERS, n=1)
            raise UsageError(
                f"tokenizer {self.tokenizer!r} is unknown",
                expected=f"one of {', '.join(TOKENIZERS)}",
                hint=f"did you mean {near[0]}?" if near else "",
            )
        limits = (("vocabulary", self.vocabulary, _SMALLEST, _LARGEST), ("max-length", self.max_length, 1, _LONGEST))
        for option, value, low, high in limits:
            if type(value) is not int or not low <= value <= high:
                raise UsageError(f"--{option} {value!r} is not allowed", expected=f"{low} to {high:,} tokens")


@dataclass(frozen=True)
class TextEncoder:
    """Turns texts into token ids.

    Args:
        content: of its `tokenizer.json`.
        tokens: how it is used.
    """

    content: bytes
    tokens: Tokens

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids, int64 [N, tokens.most]; a shorter text is filled up with padding (0), a longer one is cut."""
        tokenizer = Tokenizer(self.tokens.ids, self.tokens, self.content)
        ids = np.zeros((len(texts), self.tokens.most), np.int64)
        for start in range(0, len(texts), _AT_ONCE):
            some = tokenizer.feed([str(text) for text in texts[start : start + _AT_ONCE]])[self.tokens.ids]
            ids[start : start + len(some), : some.shape[1]] = some
        return ids


def text_options_of(data: Data | None) -> TextOptions | None:
    """How the texts of a loaded data set are read, when it has such."""
    if data is None or data.texts is None:
        return None
    return TextOptions(data.columns[0].name, data.texts.tokenizer, data.texts.asked, data.texts.max_length)


def refuse_text(options: TextOptions | None, source: object) -> None:
    """Raise when it was said how texts are read, and the rows are none.

    Raises:
        UsageError: it was.
    """
    if options is not None:
        raise UsageError(
            f"{str(source)[:80]!r} is not read as texts",
            expected="one input that is text that hardly repeats",
            hint="name it: --text COLUMN",
        )


def encoder_of(data: Data, texts: Sequence[str]) -> TextEncoder:
    """The encoder of a data set of texts, trained anew.

    Args:
        data: the data set.
        texts: those of its training part.

    Raises:
        FormatError: what is installed trains another one than when the data was loaded.
    """
    tokens = data.columns[0].tokens
    if data.texts is None or tokens is None:
        raise FormatError(f"data {data.name} does not say how its texts are read", hint="load it again")
    content = trained_tokenizer(texts, data.texts.tokenizer, data.texts.asked)
    if hashlib.sha256(content).hexdigest() != data.texts.digest:
        raise FormatError(
            f"the tokenizer of data {data.name} is not the one that it was loaded with",
            expected="the version of the tokenizers library that it was loaded with",
            hint="load the data again, and train on that",
        )
    return TextEncoder(content, tokens)


def text_rows(column: TypedColumn, train: NDArray[np.int64], options: TextOptions) -> tuple[Rows, Texts]:
    """A column of texts: `table.parquet`, with the texts as they came.

    Args:
        column: of kind `text`.
        train: row numbers of the training part.
        options: how it is read.

    Returns:
        What is kept, and how it is read.

    Raises:
        DataError: a row has no text, or none that has a token.
    """
    import pyarrow as pa

    cells = column.cells.cast(pa.string())
    refuse_empty(column.name, empty_texts(cells), "text")
    texts = cells.to_pylist()
    content = trained_tokenizer([texts[row] for row in train], options.tokenizer, options.vocabulary)
    sizes = _sizes(content, texts)
    refuse_empty(column.name, sizes == 0, "text of one token at least")
    # Beyond what training saw nobody knows what a network does.
    most = min(options.max_length, int(sizes[train].max()))
    tokens = Tokens(_FILE, _IDS, "int64", most, 0)
    vocabulary = opened_tokenizer(content, _FILE).get_vocab_size()
    digest = hashlib.sha256(content).hexdigest()
    cut = int((sizes > most).sum())
    read = Texts(options.tokenizer, options.vocabulary, options.max_length, vocabulary, digest, cut)
    encoded = [text.encode() for text in texts]
    blocks: dict[str, NDArray[Any]] = {
        f"text {column.name}": np.frombuffer(b"".join(encoded), np.uint8),
        "ends": np.cumsum([len(one) for one in encoded], dtype="<i8"),
        "read": np.frombuffer(repr(sorted(asdict(read).items())).encode(), np.uint8),
    }

    def write(folder: Path) -> None:
        import pyarrow.parquet as pq

        pq.write_table(pa.table({column.name: cells}), folder / "table.parquet")

    return Rows("text", (Column(column.name, "text", tokens=tokens),), (most,), blocks, write), read


def _sizes(content: bytes, texts: Sequence[str]) -> NDArray[np.int64]:
    """How many tokens each text has, int64 [N]."""
    library = opened_tokenizer(content, _FILE)
    sizes = np.zeros(len(texts), np.int64)
    for start in range(0, len(texts), _AT_ONCE):
        found = library.encode_batch_fast(texts[start : start + _AT_ONCE])
        sizes[start : start + len(found)] = [len(one) for one in found]
    return sizes


def refuse_empty(name: str, empty: NDArray[np.bool_], expected: str) -> None:
    """Raise when texts have nothing in them.

    Args:
        name: of their column.
        empty: which ones, bool [N].
        expected: what is expected of each.

    Raises:
        DataError: some are.
    """
    if empty.any():
        raise DataError(
            f"text {name!r} is empty in {int(empty.sum())} of {len(empty)} rows ({first_rows(empty)})",
            expected=f"{expected} in every row",
            hint="remove these rows, or fill in their texts",
        )
