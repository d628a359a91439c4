"""Pictures that are varied while a network learns."""

import numpy as np
import pytest
import torch

from lepton_nb.data import augmentation_of, features, load, module
from lepton_nb.data.varied import varied
from lepton_nb.errors import UsageError
from lepton_nb.workspace import Workspace

ALL = "flip,turn,shift,rotate,scale,contrast,brightness,erase,noise"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load(Workspace(tmp_path_factory.mktemp("varied") / ".lepton"), "digits")


def made(words, pictures, *, seed=0, rank=0, world=1):
    """The pictures, varied; `pictures` are those of the whole batch."""
    generator = torch.Generator().manual_seed(seed)
    return varied(pictures[rank::world], augmentation_of(words), generator, len(pictures), rank, world)


def drawn(rows=64, height=9, width=9):
    return torch.randn(rows, 2, height, width, generator=torch.Generator().manual_seed(1))


def which(found, variants):
    """For each picture the number of the variant that it is; -1 where it is none."""
    same = torch.stack([(found - one).abs().amax(dim=(1, 2, 3)) < 1e-4 for one in variants])
    return torch.where(same.any(0), same.int().argmax(0), -1).tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flop", r"augmentation 'flop' is unknown; expected one of flip, turn, .*did you mean 'flip'\?"),
        ("flip,flip", "'flip' is asked for twice"),
        ("flip=0.5", "'flip' has no amount; expected flip; got flip=0.5"),
        ("shift=0.6", "augmentation shift=0.6 is not allowed; expected a number above 0, at most 0.5"),
        ("shift=0", "shift=0 is not allowed"),
        ("rotate=nan", "rotate=nan is not allowed"),
        ("noise=", "noise= is not allowed"),
        ("erase=much", "erase=much is not allowed"),
    ],
)
def test_words_that_mean_nothing_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        augmentation_of(text)


def test_half_of_the_pictures_are_mirrored():
    pictures = drawn()
    found = which(made("flip", pictures), [pictures, pictures.flip(3)])
    assert set(found) == {0, 1}
    assert 20 < sum(found) < 44


def test_pictures_are_turned_by_quarters_and_all_ways_occur():
    pictures = drawn()
    found = which(made("turn", pictures), [pictures.rot90(k, (2, 3)) for k in range(4)])
    assert set(found) == {0, 1, 2, 3}


@pytest.mark.parametrize(("height", "width"), [(9, 9), (7, 12)])
def test_pictures_move_by_whole_pixels_and_their_edge_is_repeated(height, width):
    pictures = drawn(height=height, width=width)
    down, across = round(0.2 * height), round(0.2 * width)
    padded = torch.nn.functional.pad(pictures, (across, across, down, down), mode="replicate")
    moves = [(y, x) for y in range(2 * down + 1) for x in range(2 * across + 1)]
    found = which(made("shift=0.2", pictures), [padded[:, :, y : y + height, x : x + width] for y, x in moves])
    assert -1 not in found
    assert {moves[one][0] for one in found} == set(range(2 * down + 1))
    assert {moves[one][1] for one in found} == set(range(2 * across + 1))


@pytest.mark.parametrize(("height", "width"), [(41, 41), (31, 61)])
def test_what_is_rotated_keeps_its_distance_from_the_middle_and_what_is_scaled_does_not(height, width):
    pictures = torch.zeros(64, 1, height, width)
    pictures[:, 0, height // 2 - 1 : height // 2 + 2, width // 2 + 7 : width // 2 + 10] = 1.0
    rows, columns = torch.arange(height) - height // 2, torch.arange(width) - width // 2

    def places(words):
        mass = made(words, pictures)[:, 0]
        mass = mass / mass.sum(dim=(1, 2), keepdim=True)
        y, x = (mass.sum(2) * rows).sum(1), (mass.sum(1) * columns).sum(1)
        return torch.hypot(x, y), torch.rad2deg(torch.atan2(y, x))

    distance, angle = places("rotate=60")
    assert (distance - 8).abs().max() < 0.2
    assert angle.abs().max() < 61
    assert angle.abs().max() > 45
    assert angle.min() < -30 < 30 < angle.max()
    distance, angle = places("scale=0.3")
    assert angle.abs().max() < 1
    assert 5.9 < distance.min() < 6.9
    assert 9.5 < distance.max() < 11.6


def test_brightness_contrast_noise_and_erasing_change_what_they_say():
    pictures = drawn(256)
    brighter = made("brightness=0.5", pictures) - pictures
    assert brighter.flatten(1).std(dim=1).max() < 1e-5
    assert brighter.abs().max() <= 0.5
    assert brighter.mean(dim=(1, 2, 3)).std() > 0.2
    contrast = made("contrast=0.5", pictures)
    assert torch.allclose(contrast.mean(dim=(1, 2, 3)), pictures.mean(dim=(1, 2, 3)), atol=1e-5)
    ratio = contrast.flatten(1).std(dim=1) / pictures.flatten(1).std(dim=1)
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5001
    noise = made("noise=0.3", pictures) - pictures
    assert abs(float(noise.std()) - 0.3) < 0.01
    erased = made("erase=0.5", pictures) == 0
    assert erased[:, 0].equal(erased[:, 1])
    high, wide = erased[:, 0].any(2).sum(1), erased[:, 0].any(1).sum(1)
    assert torch.equal(erased[:, 0].sum(dim=(1, 2)), high * wide)
    assert max(int(high.max()), int(wide.max())) == 5


def test_what_is_given_stays_as_it_is():
    pictures = drawn()
    before = pictures.clone()
    found = made(ALL, pictures)
    assert torch.equal(pictures, before)
    assert (found.shape, found.dtype) == (pictures.shape, torch.float32)
    assert torch.isfinite(found).all()


def test_processes_that_share_a_batch_vary_it_as_one_does():
    pictures = drawn(11)
    alone, shared = made(ALL, pictures), torch.empty_like(pictures)
    for rank in range(3):
        shared[rank::3] = made(ALL, pictures, rank=rank, world=3)
    assert torch.equal(alone, shared)


def test_the_training_part_is_varied_in_each_epoch_and_the_others_never(digits):
    first, second, plain = (module(digits, 32, 5, augment=words) for words in (ALL, ALL, ""))
    epochs = [torch.cat([x for x, _ in first.train_dataloader()]) for _ in range(2)]
    assert not torch.equal(epochs[0], epochs[1])
    again = [(x, y) for x, y in second.train_dataloader()]
    assert torch.equal(torch.cat([x for x, _ in again]), epochs[0])
    # The rows come in the order that they have without it.
    assert torch.equal(torch.cat([y for _, y in again]), torch.cat([y for _, y in plain.train_dataloader()]))
    for part, loader in (("validation", first.val_dataloader()), ("test", first.test_dataloader())):
        assert np.array_equal(torch.cat([x for x, _ in loader]).numpy(), features(digits, part)[0])
    assert torch.equal(first.sample()[0], torch.from_numpy(features(digits, "train")[0]))


@pytest.mark.parametrize("cut", [0, 3, 20])
def test_an_epoch_that_is_gone_on_with_is_varied_as_it_would_have_been(digits, cut):
    whole, rest = (module(digits, 64, 2, augment="turn,noise").train_dataloader() for _ in range(2))
    batches = [(x, y) for x, y in whole]
    rest.load_state_dict({"epoch": 0, "position": cut})
    found = list(rest)
    assert len(found) == len(batches) - cut
    for (x, y), (expected, classes) in zip(found, batches[cut:], strict=True):
        assert torch.equal(x, expected)
        assert torch.equal(y, classes)


def test_rows_that_cannot_be_varied_are_refused(digits, tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    with pytest.raises(UsageError, match=r"data wine holds no images .*got rows of shape \(13,\)"):
        module(load(ws, "wine"), augment="flip")
    wide = load(ws, (np.random.default_rng(0).normal(size=(20, 1, 4, 6)), [0, 1] * 10))
    with pytest.raises(UsageError, match=r"images of 4x6 cannot be turned by a quarter; .*--image-size 4"):
        module(wide, augment="turn")
    assert next(iter(module(wide, augment="rotate").train_dataloader()))[0].shape[1:] == (1, 4, 6)
