import json
import threading
import time
import uuid

import pytest

from lepton_nb.runtime import (
    Distribution,
    ModelError,
    Reference,
    Signature,
    Slot,
    read_reference,
    read_signature,
    read_slots,
    slots_object,
    uuid7,
    verify_manifest,
)


def test_prediction_ids_are_uuid7_of_now():
    before, one, after = time.time_ns() // 10**6, uuid.UUID(uuid7()), time.time_ns() // 10**6
    assert (one.version, one.variant) == (7, uuid.RFC_4122)
    assert before <= one.int >> 80 <= after + 1


def test_prediction_ids_rise_and_never_repeat_though_threads_make_them():
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(uuid7() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one == sorted(one) for one in made)
    assert len(set().union(*made)) == 20_000


def test_a_signature_survives_its_file(table_model, table_signature):
    assert read_signature(table_model) == table_signature


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a JSON object with a format number"),
        ("[]", "is not a JSON object with a format number"),
        ('{"classes": []}', "is not a JSON object with a format number"),
        ('{"format": 2}', "has format 2, newer than format 1"),
        ('{"format": 1}', "not a model signature: KeyError 'inputs'"),
        (
            '{"format": 1, "task": "classification", "classes": [], "inputs": [{"name": "x", "kind": "date"}]}',
            "input kind 'date', expected number, category or array",
        ),
    ],
)
def test_a_broken_signature_is_refused_with_the_reason(tmp_path, content, message):
    (tmp_path / "signature.json").write_text(content)
    with pytest.raises(ModelError, match=message):
        read_signature(tmp_path)


def test_unknown_keys_of_this_format_are_ignored(table_signature):
    assert Signature.from_dict({**table_signature.to_dict(), "later": 1}) == table_signature


def test_a_reference_survives_its_file(tmp_path):
    features = {
        "age": Distribution("number", (1, 2, 3), edges=(0.5, 1.5), missing=1),
        "color": Distribution("category", (1, 2, 0), categories=("blue", "red")),
    }
    reference = Reference(features, Distribution("category", (3, 3), categories=("no", "yes")), 6)
    (tmp_path / "reference.json").write_text(json.dumps(reference.to_dict()))
    assert read_reference(tmp_path) == reference


def test_an_unchanged_model_folder_fits_its_manifest(table_model):
    manifest = verify_manifest(table_model)
    assert sorted(manifest.files) == ["model.onnx", "signature.json"]
    assert (manifest.run, manifest.data) == ("run-1", "data-1")


def _append(folder):
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"x")


def _link(folder):
    (folder / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_append, r"model\.onnx is not the file that manifest\.json lists"),
        (_link, r"model\.onnx is not a plain file"),
        (lambda folder: (folder / "extra.bin").touch(), r"extra\.bin is not listed"),
        (lambda folder: (folder / "signature.json").unlink(), r"signature\.json is listed .* but missing"),
        (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json cannot be read"),
        (lambda folder: (folder / "manifest.json").write_text('{"format": 1}'), r"manifest\.json is not a manifest"),
    ],
    ids=["changed", "linked", "unlisted", "missing", "no manifest", "empty manifest"],
)
def test_a_changed_model_folder_does_not_fit_its_manifest(table_model, change, message):
    change(table_model)
    with pytest.raises(ModelError, match=message):
        verify_manifest(table_model)


def test_slots_survive_their_file(tmp_path):
    slots = {"champion": Slot("tiny:v1", tmp_path / "model")}
    (tmp_path / "slots.json").write_text(json.dumps(slots_object(slots)))
    assert read_slots(tmp_path / "slots.json") == slots


def test_slots_without_a_champion_are_refused(tmp_path):
    (tmp_path / "slots.json").write_text('{"format": 1, "slots": {}}')
    with pytest.raises(ModelError, match="names no slot 'champion'"):
        read_slots(tmp_path / "slots.json")
