import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictured import picture
from PIL import Image

from lepton_nb.commands.find import data_of
from lepton_nb.data import Choices, features, find, inputs_of, load, module, read, sides
from lepton_nb.errors import DataError, UsageError
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


def folder(root: Path, classes=("cat", "dog"), count=6, **options):
    for number, name in enumerate(classes):
        for i in range(count):
            picture(root / name / f"{i}.png", 100 * number + i, **options)
    return root


def refuse(ws, root, message, error=DataError, split=None, **choices):
    with pytest.raises(error, match=message) as raised:
        load(ws, root, split=split, choices=Choices(**choices))
    assert "\n" not in str(raised.value)
    assert not list(ws.data.glob("*")) if ws.data.exists() else True


def test_each_folder_is_a_class_and_each_picture_a_row_of_numbers_to_255(ws, tmp_path):
    expected = [picture(tmp_path / "Pets" / name / f"{i}.png", seed=i) for name in ("a", "b") for i in range(4)]
    data = load(ws, tmp_path / "Pets", test_size=0.25, validation_size=0.25)
    assert (data.kind, data.name, data.classes, data.target) == ("array", "pets", ("a", "b"), "class")
    assert data.feature_shape == (3, 5, 6)
    rows = {part: read(data, part) for part in ("train", "validation", "test")}
    got = np.concatenate([inputs["input"] for inputs, _ in rows.values()])
    want = np.stack(expected).transpose(0, 3, 1, 2).astype(np.float32)
    assert sorted(map(bytes, got)) == sorted(map(bytes, want))
    assert features(data, "train")[0].mean(axis=(0, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-5)
    assert next(iter(module(data, 4).train_dataloader()))[0].shape == (4, 3, 5, 6)


def test_the_same_pictures_have_the_same_hash_and_others_another(ws, tmp_path):
    root = folder(tmp_path / "pets")
    first, again = load(ws, root), load(ws, str(root))
    picture(root / "cat" / "0.png", 99)
    assert first.id == again.id != load(ws, root).id


def test_grey_pictures_have_one_channel_and_can_be_asked_for(ws, tmp_path):
    assert load(ws, folder(tmp_path / "grey", mode="L")).feature_shape == (1, 5, 6)
    picture(tmp_path / "grey" / "cat" / "0.png", 7)
    assert load(ws, tmp_path / "grey").feature_shape == (3, 5, 6)
    assert load(ws, tmp_path / "grey", choices=Choices(grey=True)).feature_shape == (1, 5, 6)


def test_different_sizes_are_named_and_scaled_when_asked(ws, tmp_path):
    root = folder(tmp_path / "pets")
    picture(root / "dog" / "9.png", 50, (12, 10))
    refuse(ws, root, r"cat.0\.png 5x6, .*dog.9\.png 10x12; .*--image-size 5x6")
    assert load(ws, root, choices=Choices(image_size="4x8")).feature_shape == (3, 4, 8)
    assert load(ws, root, choices=Choices(image_size=7)).feature_shape == (3, 7, 7)


@pytest.mark.parametrize("size", ["0", "4x", "x4", "-3", "big", "4x0", 2.5])
def test_an_image_size_that_is_none_is_refused(ws, tmp_path, size):
    refuse(ws, folder(tmp_path / "pets"), "is no size", UsageError, image_size=size)


@pytest.mark.parametrize("validation", ["val", "valid", "Validation"])
def test_folders_of_parts_are_the_split(ws, tmp_path, validation):
    for part, base in (("train", 0), (validation, 10), ("test", 20)):
        for number, name in enumerate(("cat", "dog")):
            for i in range(3):
                picture(tmp_path / "pets" / part / name / f"{i}.png", base + 100 * number + i)
    data = load(ws, tmp_path / "pets")
    assert (data.rows, data.split["strategy"]) == ({"train": 6, "validation": 6, "test": 6}, "folders")
    for part, base in (("train", 0), ("validation", 10), ("test", 20)):
        inputs, targets = read(data, part)
        assert inputs["input"][:, 0, 0, 0].tolist() == [base + i for i in (0, 1, 2, 100, 101, 102)]
        assert targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert load(ws, tmp_path / "pets", split="random").split["strategy"] == "random"


def test_a_part_without_a_folder_is_drawn_from_the_training_part(ws, tmp_path):
    folder(tmp_path / "pets" / "train", count=10)
    folder(tmp_path / "pets" / "test", count=2)
    data = load(ws, tmp_path / "pets", validation_size=0.2)
    assert data.rows == {"train": 16, "validation": 4, "test": 4}
    assert np.bincount(read(data, "validation")[1]).tolist() == [2, 2]


def test_a_class_that_only_the_test_part_has_is_refused(ws, tmp_path):
    folder(tmp_path / "pets" / "train")
    folder(tmp_path / "pets" / "test", ("cat", "fox"))
    refuse(ws, tmp_path / "pets", "class 'fox' has no pictures to learn from")


def test_split_folders_needs_such_folders(ws, tmp_path):
    refuse(ws, folder(tmp_path / "pets"), "a folder for each part", UsageError, split="folders")


def test_hidden_files_and_other_files_are_left_out(ws, tmp_path):
    root = folder(tmp_path / "pets")
    (root / "cat" / ".0.png").write_bytes(b"")
    (root / "cat" / "notes.txt").write_text("x")
    (root / ".git").mkdir()
    (root / "README.md").write_text("x")
    assert sum(load(ws, root).rows.values()) == 12


def test_pictures_in_folders_within_a_class_belong_to_it(ws, tmp_path):
    root = folder(tmp_path / "pets")
    picture(root / "cat" / "more" / "a" / "1.png")
    assert sum(load(ws, root).rows.values()) == 13


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "no picture"), (b"no picture", "no picture"), (None, "truncated|broken|bytes")]
)
def test_a_broken_picture_is_named(ws, tmp_path, content, why):
    root = folder(tmp_path / "pets")
    whole = (root / "dog" / "3.png").read_bytes()
    picture(root / "dog" / "3.png", seed=1, size=(6, 5))
    whole = (root / "dog" / "3.png").read_bytes()
    (root / "dog" / "3.png").write_bytes(whole[: len(whole) - 60] if content is None else content)
    refuse(ws, root, rf"dog.3\.png is not a readable picture.*({why})")


def test_a_picture_that_would_fill_the_memory_is_refused(ws, tmp_path):
    root = folder(tmp_path / "pets")
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (root / "dog" / "0.png").write_bytes(bomb)
    refuse(ws, root, r"dog.0\.png (is too large a picture|has 100000 x 100000 pixels)")


def test_the_size_of_each_file_is_kept_beside_its_scaled_picture(ws, tmp_path):
    root = folder(tmp_path / "d", size=(12, 4))
    for number in range(6):
        picture(root / "dog" / f"{number}.png", 100 + number, size=(20 + number, 9))
    data = load(ws, root, choices=Choices(image_size="4x4"))
    found = {part: sides(data, part) for part in data.rows}
    for part, known in found.items():
        values, classes = read(data, part)
        # What a dog's picture shows is its number, and so is its width.
        widths = np.where(classes == 1, values["input"][:, 0, 0, 0] - 80, 12)
        assert known.tolist() == [[width, 4 if width == 12 else 9] for width in widths.tolist()]
    # Another split of the same rows knows them as well, and rows that were never files have none.
    again = load(ws, data, seed=3)
    widths = sorted(width for part in again.rows for width in sides(again, part)[:, 0].tolist())
    assert widths == [*[12] * 6, *range(20, 26)]
    assert sides(load(ws, (np.zeros((20, 1, 4, 4), np.float32), [0, 1] * 10)), "train") is None


def test_an_image_size_that_would_fill_the_memory_is_refused(ws, tmp_path):
    refuse(ws, folder(tmp_path / "pets"), r"12 pictures of 99999x99999 need .* GiB; .*--image-size", image_size=99999)


def test_a_postscript_file_by_the_name_of_a_picture_is_not_run(ws, tmp_path):
    root = folder(tmp_path / "pets")
    (root / "cat" / "0.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 6\n%%EndComments\n")
    refuse(ws, root, r"cat.0\.png is not a readable picture")


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_followed(ws, tmp_path):
    root = folder(tmp_path / "pets")
    (root / "cat" / "9.png").symlink_to(root / "dog" / "0.png")
    assert sum(load(ws, root).rows.values()) == 13
    picture(tmp_path / "outside.png")
    (root / "cat" / "8.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(DataError, match=r"8\.png is a link that leads out"):
        load(ws, root)
    (root / "cat" / "8.png").unlink()
    (root / "cat" / "round").symlink_to(root / "cat")
    with pytest.raises(DataError, match="round is a link that leads out"):
        load(ws, root)


def test_a_class_without_pictures_and_a_folder_without_classes_are_refused(ws, tmp_path):
    root = folder(tmp_path / "pets")
    (root / "fox").mkdir()
    refuse(ws, root, "class folder .*fox has no pictures")
    (root / "fox").rmdir()
    picture(root / "loose.png")
    refuse(ws, root, r"loose\.png is in no class folder")
    (tmp_path / "empty").mkdir()
    refuse(ws, tmp_path / "empty", "is a folder without class folders")


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.bmp", "a.gif", "a.webp", "a.tif", "a.PNG"])
def test_every_kind_of_picture_is_read(ws, tmp_path, name):
    root = folder(tmp_path / "pets", count=4)
    picture(root / "dog" / name, 200)
    array = np.concatenate([read(load(ws, root), part)[0]["input"] for part in ("train", "validation", "test")])
    assert array.max() == pytest.approx(200, abs=4)


def test_of_an_animation_the_first_frame_is_taken(ws, tmp_path):
    root = folder(tmp_path / "pets", count=4)
    frames = [Image.new("RGB", (6, 5), (value, value, value)) for value in (150, 250)]
    frames[0].save(root / "dog" / "9.gif", save_all=True, append_images=frames[1:])
    array = np.concatenate([read(load(ws, root), part)[0]["input"] for part in ("train", "validation", "test")])
    assert array.max() == 150


def test_sixteen_bits_are_brought_to_the_same_range(ws, tmp_path):
    root = folder(tmp_path / "pets", count=4, mode="L")
    Image.fromarray(np.full((5, 6), 65535, np.uint16)).save(root / "dog" / "9.png")
    data = load(ws, root)
    assert data.feature_shape == (1, 5, 6)
    array = np.concatenate([read(data, part)[0]["input"] for part in ("train", "validation", "test")])
    assert array.max() == 255


def test_a_picture_is_turned_as_its_camera_says(ws, tmp_path):
    root = folder(tmp_path / "pets", count=4)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (5, 6)).save(root / "dog" / "9.jpg", exif=exif)
    assert load(ws, root).feature_shape == (3, 5, 6)


def test_pictures_to_predict_take_the_size_of_the_model(ws, tmp_path):
    root = folder(tmp_path / "pets")
    data = load(ws, root, choices=Choices(image_size=4, grey=True))
    picture(tmp_path / "new.jpg", 90, (20, 10))
    assert inputs_of(tmp_path / "new.jpg", data.columns)["input"].shape == (1, 1, 4, 4)
    assert inputs_of(str(root), data.columns)["input"].shape == (12, 1, 4, 4)
    assert inputs_of(root / "cat", data.columns)["input"].shape == (6, 1, 4, 4)


def test_a_folder_is_data_to_train_on(ws, tmp_path, monkeypatch):
    folder(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    data = data_of(ws, "pets")
    assert data.id == data_of(ws, "./pets", "class").id == data_of(ws, tmp_path / "pets").id == find(ws, "pets").id
    picture(tmp_path / "pets" / "dog" / "9.png")
    assert load(ws, "pets").id != data.id
