"""A network over token ids becomes one over text: how its tokenizer fills what its forward takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LeptonError, PackagingError
from ..runtime import ModelError, Tokens
from ..runtime.tokens import Tokenizer, opened_tokenizer
from .golden import is_close
from .named import Arrays, ask, embeddings
from .wanted import Wanted

__all__ = ["FILE", "Text", "text_of"]

FILE = "tokenizer.json"
_PADDING = ("[PAD]", "<pad>", "<PAD>", "[pad]")
_COMPARED = 8


class Text:
    """The text input of a model, with its tokenizer.

    Args:
        tokens: how a text becomes numbers.
        content: of the tokenizer's file.
    """

    def __init__(self, tokens: Tokens, content: bytes) -> None:
        self.tokens, self.content = tokens, content
        self._tokenizer, self._library = Tokenizer(tokens.ids, tokens, content), opened_tokenizer(content, FILE)

    @property
    def names(self) -> set[str]:
        """The arguments of forward that are made of the text."""
        return {self.tokens.ids, self.tokens.mask, self.tokens.lengths} - {""}

    def sizes(self, inputs: Arrays) -> NDArray[np.int64]:
        """How many tokens each row has, int64 [N]."""
        return _sizes(inputs[self.tokens.ids], self.tokens.padding)

    def arranged(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """A batch of training as it is fed to the served model; rows without a token are left out."""
        sizes = self.sizes(inputs)
        kept = np.flatnonzero(sizes)
        ids = inputs[self.tokens.ids]
        rows = [ids[row, : min(int(sizes[row]), self.tokens.most)].tolist() for row in kept]
        rest = {name: value[kept] for name, value in inputs.items() if name not in self.names}
        made = self._tokenizer.arranged(rows) if rows else {}
        return {name: made[name] if name in made else rest[name] for name in inputs} if rows else {}

    def written(self, inputs: Arrays) -> list[str]:
        """Texts like those that a batch was made of, such as can be told from its ids."""
        sizes, ids = self.sizes(inputs), inputs[self.tokens.ids]
        rows = [ids[row, :size].tolist() for row, size in enumerate(sizes.tolist())]
        return list(self._library.decode_batch(rows))

    def fed(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        """What forward takes for some texts."""
        return self._tokenizer.feed(texts)


def text_of(network: Any, batches: Sequence[Arrays], outputs: Sequence[str], wanted: Wanted) -> Text:
    """How texts become what a network takes, found from the batches of its training.

    Args:
        network: a module in eval mode.
        batches: inputs of some rows, by the names of forward's arguments.
        outputs: names of its outputs.
        wanted: with the tokenizer.

    Raises:
        PackagingError: it cannot be told, or the tokenizer is not that of the network.
    """
    content, first = wanted.content(), batches[0]
    stated = json.loads(content)
    limits = embeddings(network, first)
    ids = wanted.ids or _ids_of(first, limits)
    if ids not in first or first[ids].ndim != 2 or first[ids].dtype.kind != "i":
        raise PackagingError(
            f"argument {ids!r} of forward takes no token ids",
            expected="whole numbers [rows, length]",
            got=", ".join(f"{name} {value.dtype} {list(value.shape)}" for name, value in first.items()),
            hint="--tokenizer ARGUMENT=tokenizer.json",
        )
    library = opened_tokenizer(content, FILE)
    embedding = limits.get(ids)
    padding = _padding_of(stated, library, embedding)
    _check_vocabulary(network, batches, ids, library, embedding)
    mask, marks, lengths = _others(batches, ids, padding)
    width = max(one[ids].shape[1] for one in batches)
    most = wanted.most or int((stated.get("truncation") or {}).get("max_length") or width)
    mask_dtype = first[mask].dtype.name if mask else "int64"
    tokens = Tokens(FILE, ids, first[ids].dtype.name, most, padding, True, mask, mask_dtype, marks, lengths)
    if wanted.most == 0 and tokens.most > width:
        # Beyond what training saw nobody knows what the network does.
        tokens = _changed(tokens, most=width)
    try:
        text = Text(tokens, content)
        free = Text(_changed(tokens, fixed=False), content)
    except ModelError as cause:
        raise PackagingError("the tokenizer cannot be packaged", got=str(cause)) from cause
    # Two rows that are answered together must not change each other's answer by the padding between them.
    return free if _ignores_padding(network, batches, outputs, free) else text


def _changed(tokens: Tokens, **changes: Any) -> Tokens:
    import dataclasses

    return dataclasses.replace(tokens, **changes)


def _ids_of(first: Arrays, limits: Mapping[str, Any]) -> str:
    whole = [name for name, value in first.items() if value.ndim == 2 and value.dtype.kind == "i"]
    found = [name for name in whole if name in limits] or [name for name in whole if "mask" not in name]
    if len(found) != 1:
        raise PackagingError(
            "it cannot be told which argument of forward takes the token ids",
            expected="one of whole numbers [rows, length]",
            got=", ".join(found) or "none",
            hint="--tokenizer ARGUMENT=tokenizer.json",
        )
    return found[0]


def _padding_of(stated: Any, library: Any, embedding: Any) -> int:
    if isinstance(stated, dict) and stated.get("padding"):
        return int(stated["padding"]["pad_id"])
    found = [one for one in map(library.token_to_id, _PADDING) if one is not None]
    if found:
        return int(found[0])
    if embedding is not None and embedding.padding_idx is not None:
        return int(embedding.padding_idx)
    raise PackagingError(
        "the id that fills up a shorter text is not known",
        expected=f"padding in the tokenizer, a token {' or '.join(_PADDING[:2])}, or padding_idx of the embedding",
        hint="tokenizer.enable_padding(pad_id=...) before tokenizer.save(...)",
    )


def _check_vocabulary(network: Any, batches: Sequence[Arrays], ids: str, library: Any, embedding: Any) -> None:
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
        expected=f"ids up to {embedding.num_embeddings - 1}" if embedding is not None else "fewer ids",
        got=f"ids up to {highest}",
        hint="train with as many rows in the embedding as tokenizer.get_vocab_size() says",
    )
    if embedding is not None:
        if highest >= embedding.num_embeddings:
            raise wrong
        return
    try:
        ask(network, {**batches[0], ids: np.full_like(batches[0][ids], highest)})
    except LeptonError as cause:
        raise wrong from cause


def _sizes(ids: NDArray[Any], padding: int) -> NDArray[np.int64]:
    """Places up to the last one that is not padding."""
    is_token = ids != padding
    sizes: NDArray[np.int64] = np.where(is_token.any(1), ids.shape[1] - is_token[:, ::-1].argmax(1), 0)
    return sizes


def _others(batches: Sequence[Arrays], ids: str, padding: int) -> tuple[str, Any, str]:
    """The arguments that tell where tokens are: a mask, what is 1 in it, and the lengths."""
    mask, marks, lengths = "", "tokens", ""
    for name in batches[0]:
        pairs = [(one[name], _sizes(one[ids], padding), one[ids]) for one in batches]
        if name == ids or pairs[0][0].dtype.kind not in "bif":
            continue
        if all(value.shape == given.shape for value, _, given in pairs):
            places = [(value, np.arange(given.shape[1]) < sizes[:, None]) for value, sizes, given in pairs]
            if all((value.astype(bool) == is_token).all() for value, is_token in places):
                mask, marks = name, "tokens"
            elif all((value.astype(bool) == ~is_token).all() for value, is_token in places):
                mask, marks = name, "padding"
        elif pairs[0][0].dtype == np.int64 and all(
            value.ndim == 1 and (value == sizes).all() for value, sizes, _ in pairs
        ):
            lengths = name
    return mask, marks, lengths


def _ignores_padding(network: Any, batches: Sequence[Arrays], outputs: Sequence[str], text: Text) -> bool:
    """Whether rows are answered alike with and without padding behind them."""
    compared = 0
    for inputs in batches:
        whole = text.arranged(inputs)
        if not whole:
            continue
        answers, sizes = ask(network, whole, outputs), text.sizes(whole)
        if any(value.ndim > 1 and value.shape[1] == whole[text.tokens.ids].shape[1] for value in answers.values()):
            # An answer for each token: it would be as long as the longest text that happened to be there.
            return False
        for row in np.flatnonzero(sizes < whole[text.tokens.ids].shape[1])[:_COMPARED].tolist():
            alone = text.arranged({name: value[row : row + 1] for name, value in whole.items()})
            try:
                found = ask(network, alone, outputs)
            except LeptonError:
                return False
            if not all(is_close(found[name], value[row : row + 1]).all() for name, value in answers.items()):
                return False
            compared += 1
    return compared > 0
