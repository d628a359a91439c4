import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.data.streamed_batches import StreamedBatches


def streamed(counts, size, seed=0, rank=0, world=1, read=None):
    """Batches of rows 0, 1, 2, ... in files of these lengths."""
    ends = torch.tensor(counts).cumsum(0).tolist()

    def load(number):
        if read is not None:
            read.append(number)
        rows = torch.arange(ends[number] - counts[number], ends[number])
        return rows[:, None].float(), rows

    return StreamedBatches(counts, load, size, seed, rank, world)


def taken(batches):
    found = [(x[:, 0].long().tolist(), y.tolist()) for x, y in batches]
    assert all(x == y for x, y in found)
    return [y for _, y in found]


@given(counts=st.lists(st.integers(1, 20), min_size=2, max_size=6), size=st.integers(1, 30), seed=st.integers(0, 5))
def test_an_epoch_holds_every_row_once_in_batches_of_one_size(counts, size, seed):
    loader = streamed(counts, size, seed)
    for _ in range(2):
        batches = taken(loader)
        assert sorted(row for batch in batches for row in batch) == list(range(sum(counts)))
        assert len(batches) == len(loader)
        assert {len(batch) for batch in batches[:-1]} <= {size}


def test_files_and_their_rows_come_in_an_order_that_is_new_each_epoch():
    read = []
    loader = streamed([50] * 8, 10, seed=1, read=read)
    first, second = taken(loader), taken(loader)
    assert sorted(read[:8]) == sorted(read[8:]) == list(range(8))
    assert read[:8] != read[8:]
    assert sorted(first[0]) != first[0]
    assert first != second
    assert taken(streamed([50] * 8, 10, seed=1)) == first != taken(streamed([50] * 8, 10, seed=2))


def test_without_a_seed_the_rows_keep_their_order():
    loader = streamed([5, 7, 3], 4, seed=None)
    assert taken(loader) == taken(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14]]


@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    size=st.integers(1, 15),
    seed=st.none() | st.integers(0, 3),
    cut=st.integers(0, 60),
    epoch=st.integers(0, 2),
)
def test_a_resumed_epoch_is_the_rest_of_an_uninterrupted_one(counts, size, seed, cut, epoch):
    uninterrupted = streamed(counts, size, seed)
    whole = [taken(uninterrupted) for _ in range(epoch + 2)]
    cut = min(cut, len(whole[epoch]))
    interrupted, resumed = streamed(counts, size, seed), streamed(counts, size, seed)
    interrupted.set_epoch(epoch)
    running = iter(interrupted)
    for position in range(cut):
        next(running)
        assert interrupted.state_dict() == {"epoch": epoch, "position": position + 1}
    waiting = iter(resumed)
    resumed.load_state_dict(interrupted.state_dict())
    assert taken(waiting) == whole[epoch][cut:]
    assert resumed.state_dict() == {"epoch": epoch + 1, "position": 0}
    assert taken(resumed) == whole[epoch + 1]


def test_what_a_resumed_epoch_has_behind_it_is_not_read_again():
    whole, read = [], []
    taken(streamed([10] * 6, 5, read=whole))
    loader = streamed([10] * 6, 5, read=read)
    loader.load_state_dict({"epoch": 0, "position": 9})
    assert len(taken(loader)) == 3
    assert read == whole[4:]


@given(
    counts=st.lists(st.integers(3, 15), min_size=2, max_size=5),
    share=st.integers(2, 4),
    seed=st.none() | st.integers(0, 3),
    world=st.sampled_from([2, 3]),
)
def test_the_shares_of_all_ranks_together_are_the_batch_of_a_single_process(counts, share, seed, world):
    size = share * world
    single = [row for batch in taken(streamed(counts, size, seed)) for row in batch]
    together = []
    for parts in zip(*(taken(streamed(counts, size, seed, rank, world)) for rank in range(world)), strict=True):
        assert all(parts)
        batch = [0] * sum(map(len, parts))
        for rank, part in enumerate(parts):
            batch[rank::world] = part
        together += batch
    assert together == single


def test_one_file_is_read_ahead_and_no_more():
    read = []
    running = iter(streamed([10] * 6, 10, read=read))
    for step in range(1, 6):
        next(running)
        running_ahead = [one for one in threading.enumerate() if one.name.startswith("lepton-read-ahead")]
        assert len(running_ahead) == 1
        assert len(read) <= step + 1
    running.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("lepton-read-ahead")]


def test_a_file_that_cannot_be_read_stops_the_epoch_with_its_error():
    def load(number):
        raise OSError(f"file {number} is gone")

    with pytest.raises(OSError, match="is gone"):
        list(StreamedBatches([5, 5], load, 2, 0))
    assert not [one for one in threading.enumerate() if one.name.startswith("lepton-read-ahead")]
