"""A network over token ids becomes one over text: how its tokenizer fills what its forward takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import LeptonError, PackagingError
from ..runtime import ModelError, Tokens
from ..runtime.tokens import Tokenizer
from .folder import TOKENIZER
from .golden import is_close
from .named import Arrays, ask, embeddings
from .vocabulary import Reader, check_vocabulary, padding_of
from .wanted import Wanted

__all__ = ["Text", "text_of"]

_COMPARED = 8


class Text:
    """The text input of a model, with its tokenizer.

    Args:
        tokens: how a text becomes numbers.
        content: of the tokenizer's file.
    """

    def __init__(self, tokens: Tokens, content: bytes) -> None:
        self.tokens, self.content = tokens, content
        self._tokenizer, self._reader = Tokenizer(tokens.ids, tokens, content), Reader(content)

    @property
    def names(self) -> set[str]:
        """The arguments of forward that are made of the text."""
        return {self.tokens.ids, self.tokens.mask, self.tokens.lengths, self.tokens.zeros} - {""}

    def sizes(self, inputs: Arrays) -> NDArray[np.int64]:
        """How many tokens each row has, int64 [N]."""
        return _sizes(inputs[self.tokens.ids], self.tokens.padding, self.tokens.side)

    def rows(self, inputs: Arrays) -> list[list[int]]:
        """The token ids of each row, without padding."""
        ids, is_left = inputs[self.tokens.ids], self.tokens.side == "left"
        sizes = enumerate(self.sizes(inputs).tolist())
        return [
            ids[row, ids.shape[1] - size :].tolist() if is_left else ids[row, :size].tolist() for row, size in sizes
        ]

    def check(self, batches: Sequence[Arrays]) -> None:
        """Hold the tokenizer to the batches of the training.

        Raises:
            PackagingError: it is another one.
        """
        self._reader.check([row for one in batches for row in self.rows(one)])

    def arranged(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """A batch of training as it is fed to the served model; rows without a token are left out."""
        kept = np.flatnonzero(self.sizes(inputs))
        rows = [row[: self.tokens.most] for row in self.rows(inputs) if row]
        rest = {name: value[kept] for name, value in inputs.items() if name not in self.names}
        made = self._tokenizer.arranged(rows) if rows else {}
        return {name: made[name] if name in made else rest[name] for name in inputs} if rows else {}

    def features(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """What the texts of a batch look like by their tokens, as monitoring tells it of what is served."""
        return self._tokenizer.features_of_ids(self.rows(inputs))

    def written(self, inputs: Arrays) -> list[str]:
        """Texts like those that a batch was made of, such as can be told from its ids."""
        return self._reader.texts(self.rows(inputs))

    def fed(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        """What forward takes for some texts."""
        return self._tokenizer.feed(texts)

    def longest(self) -> dict[str, NDArray[Any]]:
        """What forward takes for one text of as many tokens as may be."""
        return self._tokenizer.empty()


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
    limits = embeddings(network, first)
    ids = wanted.ids or _ids_of(first, limits)
    if ids not in first or first[ids].ndim != 2 or first[ids].dtype.kind != "i":
        raise PackagingError(
            f"argument {ids!r} of forward takes no token ids",
            expected="whole numbers [rows, length]",
            got=", ".join(f"{name} {value.dtype} {list(value.shape)}" for name, value in first.items()),
            hint="--tokenizer ARGUMENT=tokenizer.json",
        )
    reader, table = Reader(content), limits.get(ids)
    padding = padding_of(reader, table)
    check_vocabulary(network, batches, ids, reader.library, table)
    width = max(one[ids].shape[1] for one in batches)
    # Beyond what training saw nobody knows what the network does.
    most = wanted.most or min(int((reader.stated.get("truncation") or {}).get("max_length") or width), width)
    side = _side_of(reader.stated, batches, ids, padding)
    tokens = _others(batches, Tokens(TOKENIZER, ids, first[ids].dtype.name, most, padding, True, side=side))
    try:
        text = Text(tokens, content)
        free = Text(replace(tokens, fixed=False), content)
    except ModelError as cause:
        raise PackagingError("the tokenizer cannot be packaged", got=str(cause)) from cause
    text.check(batches)
    _check_longest(network, batches, text, wanted, width)
    # Two rows that are answered together must not change each other's answer by the padding between them.
    return free if _ignores_padding(network, batches, outputs, free) else text


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


def _sizes(ids: NDArray[Any], padding: int, side: str) -> NDArray[np.int64]:
    """Places from the first one to the last one that is not padding, counted from the side that is not filled up."""
    is_token = (ids != padding)[:, :: -1 if side == "left" else 1]
    sizes: NDArray[np.int64] = np.where(is_token.any(1), ids.shape[1] - is_token[:, ::-1].argmax(1), 0)
    return sizes


def _side_of(stated: Mapping[str, Any], batches: Sequence[Arrays], ids: str, padding: int) -> Literal["right", "left"]:
    """Where shorter texts were filled up: as the batches show, else as the tokenizer says."""
    rows = [(one[ids][:, 0] == padding, one[ids][:, -1] == padding) for one in batches]
    left = sum(int((first & ~last).sum()) for first, last in rows)
    right = sum(int((last & ~first).sum()) for first, last in rows)
    told = str((stated.get("padding") or {}).get("direction")).lower() == "left"
    return "left" if left > right or (left == right and told) else "right"


def _others(batches: Sequence[Arrays], found: Tokens) -> Tokens:
    """With the arguments that tell where tokens are, a mask and the lengths, and that which is 0 for every text.

    Raises:
        PackagingError: what an argument has for each token cannot be told.
    """
    for name, first in batches[0].items():
        if name == found.ids or first.dtype.kind not in "bif":
            continue
        pairs = [(one[name], _sizes(one[found.ids], found.padding, found.side), one[found.ids]) for one in batches]
        if all(value.shape == given.shape for value, _, given in pairs):
            found = _of_each_token(name, pairs, found)
        elif (
            not found.lengths
            and first.dtype == np.int64
            and all(value.ndim == 1 and (value == sizes).all() for value, sizes, _ in pairs)
        ):
            found = replace(found, lengths=name)
    return found


def _of_each_token(name: str, pairs: Sequence[tuple[Any, Any, Any]], found: Tokens) -> Tokens:
    dtype = pairs[0][0].dtype
    values = [value.astype(bool) for value, *_ in pairs]
    told = [_places(given.shape[1], sizes, found.side) for _, sizes, given in pairs]
    one = len({bool(seen) for value in values for seen in np.unique(value)}) == 1
    # Where no text was filled up, what is the same everywhere is no mask because of that.
    if not found.mask and (not one or "mask" in name.lower()):
        if all((value == is_token).all() for value, is_token in zip(values, told, strict=True)):
            return replace(found, mask=name, mask_dtype=dtype.name, marks="tokens")
        if all((value != is_token).all() for value, is_token in zip(values, told, strict=True)):
            return replace(found, mask=name, mask_dtype=dtype.name, marks="padding")
    if one and dtype.kind in "bi":
        if not any(value.any() for value in values) and not found.zeros:
            return replace(found, zeros=name, zeros_dtype=dtype.name)
        raise PackagingError(
            f"it cannot be told what argument {name!r} of forward is to be for a text",
            expected="a mask, whose name says so, or one argument that is 0 for each token",
            got=f"{pairs[0][0].reshape(-1)[0]} for each token of the training",
            hint="make it within forward from the ids, or call it a mask if it is one",
        )
    return found


def _places(width: int, sizes: NDArray[np.int64], side: str) -> NDArray[np.bool_]:
    """Where tokens are, bool [N, width]."""
    places = np.arange(width)
    is_token: NDArray[np.bool_] = places < sizes[:, None] if side == "right" else places >= width - sizes[:, None]
    return is_token


def _check_longest(network: Any, batches: Sequence[Arrays], text: Text, wanted: Wanted, width: int) -> None:
    """Ask for a text of as many tokens as may be, which training need not have seen."""
    if not wanted.most:
        return
    row = {name: value[:1] for name, value in batches[0].items()}
    try:
        ask(network, {**row, **text.longest()})
    except LeptonError as cause:
        raise PackagingError(
            f"--max-length {wanted.most} is more than the network takes",
            expected=f"up to {width} tokens, as in its training",
            got=cause.got or str(cause),
        ) from cause


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
