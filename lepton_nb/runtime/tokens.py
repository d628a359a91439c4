"""Texts become token ids, by a tokenizer that lies beside the model: a `tokenizer.json` of the `tokenizers` library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import ModelError, RequestError
from .fields import Tokens

__all__ = ["MOST_BYTES", "Tokenizer", "opened_tokenizer"]

# The largest vocabularies in use have 40 MB; reading takes a multiple of that in memory.
MOST_BYTES = 64 * 1024 * 1024
# Cut off before it is looked at: no token of any use is longer, and a text of megabytes would take seconds.
_CHARACTERS_PER_TOKEN = 256


def opened_tokenizer(content: bytes, name: str) -> Any:
    """The tokenizer of a file, without its own padding and truncation.

    Args:
        content: of the file.
        name: of the file, for the message.

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
        found.no_padding()
        found.no_truncation()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as cause:  # noqa: BLE001 - a panic of the library is no Exception
        raise ModelError(f"{name} is not a tokenizer: {' '.join(str(cause).split())[:200]}") from None
    return found


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
        self._tokenizer = opened_tokenizer(content, tokens.file)

    def feed(self, texts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """The graph's inputs for N texts, by name.

        Raises:
            RequestError: 422 naming a row whose text has no token.
        """
        most = self._tokens.most
        cut = [text[: most * _CHARACTERS_PER_TOKEN] for text in texts]
        try:
            found = self._tokenizer.encode_batch_fast(cut)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as cause:  # noqa: BLE001 - a panic of the library is no Exception, and would end the server
            raise RuntimeError(f"the tokenizer of {self._name!r} failed: {cause}") from None
        rows = [one.ids[:most] for one in found]
        for row, ids in enumerate(rows):
            if not ids:
                text = f"row {row}, field {self._name!r}: expected text of one token at least"
                raise RequestError(422, "invalid_row", text, row=row)
        return self.arranged(rows)

    def arranged(self, rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray[Any, Any]]:
        """The graph's inputs for N lists of token ids, none of them longer than `most`."""
        tokens = self._tokens
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        width = tokens.most if tokens.fixed else int(sizes.max(initial=1))
        is_token = np.arange(width) < sizes[:, None]
        ids = np.full((len(rows), width), tokens.padding, tokens.dtype)
        ids[is_token] = [one for row in rows for one in row]
        made = {tokens.ids: ids}
        if tokens.mask:
            made[tokens.mask] = (is_token if tokens.marks == "tokens" else ~is_token).astype(tokens.mask_dtype)
        if tokens.lengths:
            made[tokens.lengths] = sizes
        return made

    def empty(self) -> dict[str, np.ndarray[Any, Any]]:
        """The graph's inputs for one text of as many tokens as may be."""
        return self.arranged([[self._tokens.padding] * self._tokens.most])
