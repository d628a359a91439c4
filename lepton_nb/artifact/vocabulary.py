"""Whether a tokenizer is that of a training, told by the token ids that the training was fed with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import LeptonError, PackagingError
from ..runtime.tokens import opened_tokenizer
from .folder import TOKENIZER
from .named import Arrays, Table, ask

__all__ = ["Reader", "check_vocabulary", "padding_of"]

_PADDING = ("[PAD]", "<pad>", "<PAD>", "[pad]")
_COMPARED, _SHOWN = 256, 24


class Reader:
    """Makes texts of token ids again.

    Args:
        content: of the tokenizer's file.
    """

    def __init__(self, content: bytes) -> None:
        self.library = opened_tokenizer(content, TOKENIZER)
        self.stated: dict[str, Any] = json.loads(content)
        self._content = content
        _give_decoder(self.library, self.stated)
        # Which ones are special need not be stated: a text of nothing has no others.
        model = self.stated.get("model") or {}
        unknown = self.library.token_to_id(model["unk_token"]) if model.get("unk_token") else model.get("unk_id")
        self._unknown = {unknown} - {None}
        self._unread = {*self.library.encode("").ids, *self._unknown}

    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Texts like those that rows of ids were made of, such as can be told from them."""
        read = [[one for one in row if one not in self._unread] for row in rows]
        return list(self.library.decode_batch(read))

    def check(self, rows: Sequence[Sequence[int]]) -> None:
        """Hold the tokenizer to rows of ids that a training was fed with, without their padding.

        Raises:
            PackagingError: it makes others of the texts that it reads in most of them.
        """
        rows = [row for row in rows if row][:_COMPARED]
        cutting = opened_tokenizer(self._content, TOKENIZER, max(map(len, rows), default=1))
        texts = self.texts(rows)
        made = [one.ids for one in cutting.encode_batch(texts)]
        differing = [place for place, row in enumerate(rows) if self._known(row) != self._known(made[place])]
        if 2 * len(differing) <= len(rows):
            return
        first = differing[0]
        raise PackagingError(
            "the tokenizer is not that of the training",
            expected=f"the ids that the network was trained with, such as {_shown(rows[first])}",
            got=f"{_shown(made[first])} of {texts[first][:80]!r}, and others in {len(differing)} of {len(rows)} rows",
            hint="save the tokenizer that made the batches, with its special tokens: tokenizer.save('tokenizer.json')",
        )

    def _known(self, row: Sequence[int]) -> list[int]:
        """The ids that stand for something: an unknown word cannot be read back."""
        return [one for one in row if one not in self._unknown]


def _give_decoder(library: Any, stated: Mapping[str, Any]) -> None:
    """Make pieces of words into words again where the file does not say how."""
    if library.decoder is not None:
        return
    from tokenizers import decoders

    before = json.dumps(stated.get("pre_tokenizer"))
    if (stated.get("model") or {}).get("type") == "WordPiece":
        library.decoder = decoders.WordPiece()
    elif "ByteLevel" in before:
        library.decoder = decoders.ByteLevel()
    elif "Metaspace" in before:
        library.decoder = decoders.Metaspace()


def _shown(row: Sequence[int]) -> str:
    return f"[{', '.join(map(str, row[:_SHOWN]))}{', ...' if len(row) > _SHOWN else ''}]"


def padding_of(reader: Reader, table: Table | None) -> int:
    """The id that fills up a shorter text.

    Raises:
        PackagingError: it is not known.
    """
    if reader.stated.get("padding"):
        return int(reader.stated["padding"]["pad_id"])
    found = [one for one in map(reader.library.token_to_id, _PADDING) if one is not None]
    if found:
        return int(found[0])
    if table is not None and table.padding is not None:
        return table.padding
    raise PackagingError(
        "the id that fills up a shorter text is not known",
        expected=f"padding in the tokenizer, a token {' or '.join(_PADDING[:2])}, or padding_idx of the embedding",
        hint="tokenizer.enable_padding(pad_id=...) before tokenizer.save(...)",
    )


def check_vocabulary(network: Any, batches: Sequence[Arrays], ids: str, library: Any, table: Table | None) -> None:
    """Hold the ids that a tokenizer may give to those that a network takes.

    Args:
        network: a module in eval mode.
        batches: inputs of some rows, by the names of forward's arguments.
        ids: the argument that takes the ids.
        library: the tokenizer.
        table: the embedding that the ids are rows of, where it is known.

    Raises:
        PackagingError: there are others.
    """
    highest = max(library.get_vocab(with_added_tokens=True).values(), default=-1)
    seen = max(int(one[ids].max(initial=0)) for one in batches)
    if seen > highest:
        raise PackagingError(
            "the tokenizer is not that of the training",
            expected=f"ids up to {seen} at least, which the network was trained with",
            got=f"ids up to {highest}",
        )
    wrong = PackagingError(
        "the tokenizer gives ids that the network does not take",
        expected=f"ids up to {table.rows - 1}" if table is not None else "fewer ids",
        got=f"ids up to {highest}",
        hint="train with as many rows in the embedding as tokenizer.get_vocab_size() says",
    )
    if table is not None:
        if highest >= table.rows:
            raise wrong
        return
    try:
        ask(network, {**batches[0], ids: np.full_like(batches[0][ids], highest)})
    except LeptonError as cause:
        raise wrong from cause
