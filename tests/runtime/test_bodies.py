"""Bodies that come in parts."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from lepton_nb.runtime.asking import Gone, body_of
from lepton_nb.runtime.errors import RequestError
from lepton_nb.runtime.settings import Settings, Slot

PARTS = [bytes([number]) * 700_000 for number in range(5)]


def body(parts, head=None, *, gone=False, limit=10_000_000):
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""})

    async def receive():
        return messages.pop(0)

    settings = Settings(Slot("tiny:v1", Path("unused")), max_body=limit)
    return asyncio.run(body_of(head or {}, receive, settings))


@pytest.mark.parametrize("head", [{}, {b"content-length": b"3500000"}], ids=["chunked", "stated"])
def test_the_parts_are_joined(head):
    assert body(PARTS, head) == b"".join(PARTS)


def test_a_body_of_no_stated_size_needs_little_memory_and_one_that_cannot_be_set_aside_is_refused(
    tmp_path, monkeypatch
):
    assert body(PARTS[:1]) == PARTS[0]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert body(PARTS[:1]) == PARTS[0]
    with pytest.raises(RequestError, match="send it with Content-Length") as caught:
        body(PARTS)
    assert caught.value.status == 413
    assert body(PARTS, {b"content-length": b"3500000"}) == b"".join(PARTS)


def test_a_body_that_grows_too_large_or_stops_is_not_taken():
    with pytest.raises(RequestError, match="larger than 2000000 bytes"):
        body(PARTS, limit=2_000_000)
    with pytest.raises(Gone):
        body(PARTS, gone=True)
