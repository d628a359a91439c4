"""Bodies that come in parts."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from pathlib import Path

import pytest

from lepton_nb.runtime import asking
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


@pytest.fixture
def full_disk():
    """No file may become larger than 1.5 MB, nor be written to beyond that."""
    own = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, own[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, own)


@pytest.mark.parametrize("size", [1_000, 700_000, 3_500_000])
def test_where_no_file_can_be_written_a_body_is_held_in_memory(full_disk, size):
    whole = b"".join(PARTS)
    assert body([whole[start : start + size] for start in range(0, len(whole), size)]) == whole


def test_where_there_is_no_folder_for_files_a_body_is_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert body(PARTS) == b"".join(PARTS)


def test_all_bodies_together_fill_no_more_than_so_much_of_a_disk(monkeypatch):
    monkeypatch.setattr(asking, "_ASIDE_BYTES", 1_000_000)
    with asking._Body(1000) as first, asking._Body(1000) as second:
        first.add(PARTS[0])
        second.add(PARTS[1])
        second.add(PARTS[2])
        assert (first._written, second._written) == (700_000, 700_000)
        assert second.whole() == PARTS[1] + PARTS[2]
    assert asking._Body._aside == 0


def test_a_body_that_grows_too_large_or_stops_is_not_taken():
    with pytest.raises(RequestError, match="larger than 2000000 bytes"):
        body(PARTS, limit=2_000_000)
    with pytest.raises(Gone):
        body(PARTS, gone=True)
