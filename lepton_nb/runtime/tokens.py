"""Texts become token ids, by a tokenizer that lies beside the model: a `tokenizer.json` of the `tokenizers` library."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ModelError, RequestError
from .fields import Tokens
from .formats import Signature
from .token_features import token_features

__all__ = ["MOST_BYTES", "Tokenizer", "opened_tokenizer", "tokenizers_of"]

# The largest vocabularies in use have 40 MB; reading takes a multiple of that in memory.
MOST_BYTES = 64 * 1024 * 1024
# Cut off before it is looked at: no token of any use is longer, and a text of megabytes would take seconds.
_CHARACTERS_PER_TOKEN = 256


def opened_tokenizer(content: bytes, name: str, most: int = 0) -> Any:
    """The tokenizer of a file, without its own padding.

    Args:
        content: of the file.
        name: of the file, for the message.
        most: tokens of a text at most, its special ones among them; 0 for any number.

    Raises:
        ModelError: it is too large, or none.
    """
    if len(content) > MOST_BYTES:
        raise ModelError(f"{name} has {len(content):,} bytes, expected {MOST_BYTES:,} at most")
    # One request is one thread, as with ONNX Runtime.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError as cause:
        raise ModelError(
            f"{name} needs the package tokenizers, which is not installed: pip install tokenizers"
        ) from cause
    try:
        found: Any = tokenizers.Tokenizer.from_str(content.decode())
        cut = found.truncation or {}
        found.no_padding()
        found.no_truncation()
        if most:
            # Not by hand: the special token that closes a text stays when its words are cut off.
            found.enable_truncation(most, direction=cut.get("direction", "right"))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as cause:  # noqa: BLE001 - a panic of the library is no Exception
        raise ModelError(f"{name} is not a tokenizer: {' '.join(str(cause).split())[:200]}") from None
    return found


def tokenizers_of(folder: Path, signature: Signature) -> Mapping[str, Tokenizer]:
    """The tokenizers of a model's texts that lie in its folder, by input; for statistics, so hashes are not looked at.

    Args:
        folder: of the model.
        signature: of the model.

    Raises:
        ModelError: a file is no tokenizer.
    """
    texts = {one.name: one.tokens for one in signature.inputs if one.tokens}
    return {
        name: Tokenizer(name, tokens, (folder / tokens.file).read_bytes())
        for name, tokens in texts.items()
        if (folder / tokens.file).is_file() and (folder / tokens.file).stat().st_size <= MOST_BYTES
    }


class Tokenizer:
    """Makes of texts what a graph takes.

    Args:
        name: of the input, for messages.
        tokens: how.
        content: of the tokenizer's file.

    Raises:
        ModelError: the file is no tokenizer.
    """

    def __init__(self, name: str, tokens: Tokens, content: bytes) -> None:
        self._name, self._tokens = name, tokens
        self._tokenizer = opened_tokenizer(content, tokens.file, tokens.most)
        self._keeps_end = self._tokenizer.truncation["direction"] == "left"
        model = json.loads(content).get("model") or {}
        named = model.get("unk_token")
        self._unknown: int | None = self._tokenizer.token_to_id(named) if named else model.get("unk_id")

    def feed(self, texts: Sequence[str], width: int = 0) -> dict[str, np.ndarray[Any, Any]]:
        """The graph's inputs for N texts, by name.

        Args:
            texts: the texts.
            width: ids of each text at least; shorter ones are filled up.

        Raises:
            RequestError: 422 naming a row whose text has no token.
        """
        rows = self._encoded(texts)
        for row, ids in enumerate(rows):
            # Blanks alone have tokens, but no text of the training was like that.
            if not ids or not texts[row].strip():
                text = f"row {row}, field {self._name!r}: expected text of one token at least"
                raise RequestError(422, "invalid_row", text, row=row)
        return self.arranged(rows, width)

    def features(self, texts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """What N texts look like, as `token_features` tells it of the tokens that the model is given.

        Raises:
            RequestError: 422 naming a row whose text has no form in UTF-8.
        """
        return self.features_of_ids(self._encoded(texts))

    def features_of_ids(self, rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray[Any, Any]]:
        """The same of lists of token ids, without padding."""
        return token_features(self._name, [row[: self._tokens.most] for row in rows], self._unknown)

    def longest(self, texts: Sequence[str]) -> int:
        """How many tokens the longest of some texts has."""
        return max(map(len, self._encoded(texts)), default=0)

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        most = self._tokens.most
        longest = most * _CHARACTERS_PER_TOKEN
        cut = [text[-longest:] if self._keeps_end else text[:longest] for text in texts]
        try:
            found = self._tokenizer.encode_batch_fast(cut)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as cause:  # noqa: BLE001 - a panic of the library is no Exception, and would end the server
            self._refuse_broken(texts)
            raise RuntimeError(f"the tokenizer of {self._name!r} failed: {cause}") from None
        # Where `most` has no room for the special tokens, the library cuts nothing.
        return [one.ids[:most] for one in found]

    def _refuse_broken(self, texts: Sequence[str]) -> None:
        """Raise where a text has half a character, which UTF-8 has no form for."""
        for row, text in enumerate(texts):
            try:
                text.encode()
            except UnicodeEncodeError:
                message = f"row {row}, field {self._name!r}: expected text that has a form in UTF-8"
                raise RequestError(422, "invalid_row", message, row=row) from None

    def arranged(self, rows: Sequence[Sequence[int]], width: int = 0) -> dict[str, np.ndarray[Any, Any]]:
        """The graph's inputs for N lists of token ids, none of them longer than `most`."""
        tokens = self._tokens
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        width = tokens.most if tokens.fixed else max(width, int(sizes.max(initial=1)))
        places = np.arange(width)
        is_token = places < sizes[:, None] if tokens.side == "right" else places >= width - sizes[:, None]
        ids = np.full((len(rows), width), tokens.padding, tokens.dtype)
        ids[is_token] = [one for row in rows for one in row]
        made = {tokens.ids: ids}
        if tokens.mask:
            made[tokens.mask] = (is_token if tokens.marks == "tokens" else ~is_token).astype(tokens.mask_dtype)
        if tokens.zeros:
            made[tokens.zeros] = np.zeros(ids.shape, tokens.zeros_dtype)
        if tokens.lengths:
            made[tokens.lengths] = sizes
        return made

    def empty(self, rows: int = 1) -> dict[str, np.ndarray[Any, Any]]:
        """The graph's inputs for texts of as many tokens as may be; such texts are tokenised, for the time it takes."""
        self._encoded(["a " * self._tokens.most] * rows)
        return self.arranged([[self._tokens.padding] * self._tokens.most] * rows)
