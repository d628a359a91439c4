"""A run's network in other formats: what is in the files, what they answer, and what is refused."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import logging
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import pytorch_lightning as pl
import torch

import lepton_nb
from lepton_nb.artifact import network_probabilities
from lepton_nb.data import features, load, read
from lepton_nb.errors import ConflictError, DataError, MissingError, PackagingError, UsageError
from lepton_nb.packaging import FORMATS, export
from lepton_nb.packaging.exports.formats import Subject, exporter
from lepton_nb.workspace import Workspace, file_sha256

HERE = ("onnx", "onnx-int8", "pt2")
HAS_EXECUTORCH = importlib.util.find_spec("executorch") is not None


@pytest.fixture(scope="session")
def mixed(tmp_path_factory, quick_run):
    """A run on a table of numbers with gaps and texts."""
    import pandas as pd

    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"age": rng.normal(40, 12, 600), "city": rng.choice(["oslo", "rome", "pisa"], 600)})
    frame["y"] = np.where((frame.age > 40) ^ (frame.city == "rome"), "yes", "no")
    frame.loc[::17, "age"] = np.nan
    ws = Workspace(tmp_path_factory.mktemp("mixed") / ".lepton")
    data = load(ws, frame, target="y", name="mixed")
    return ws, quick_run(ws, data, "mlp"), data


@pytest.fixture(scope="session")
def pictures(tmp_path_factory, quick_run):
    """A run on small pictures of five noisy patterns."""
    rng = np.random.default_rng(4)
    patterns, classes = rng.random((5, 1, 8, 8)), rng.integers(0, 5, 400)
    values = ((0.6 * patterns[classes] + 0.4 * rng.random((400, 1, 8, 8))) * 255).astype(np.uint8)
    ws = Workspace(tmp_path_factory.mktemp("pictures") / ".lepton")
    data = load(ws, (values, classes), name="pictures")
    return ws, quick_run(ws, data, "cnn"), data


@pytest.fixture(params=["pictures", "mixed"])
def subject(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", [*HERE, pytest.param("executorch", marks=pytest.mark.skipif(
    not HAS_EXECUTORCH, reason="executorch is not installed"))])  # fmt: skip
def test_an_exporter_makes_bytes_that_answer_any_number_of_rows_as_the_network_does(name, subject) -> None:
    ws, run, data = subject
    maker = exporter(name)
    maker.require()
    made = maker.make(Subject(ws, run, data))
    inputs = {"features": features(data, "test")[0]} if made.prepared else read(data, "test")[0]
    expected = network_probabilities(run, data, "test")
    for rows in (1, 2, 7, len(expected)):
        answers = made.predict({name: values[:rows] for name, values in inputs.items()})
        assert answers.shape == expected[:rows].shape
        np.testing.assert_allclose(answers, expected[:rows], atol=0.25 if name == "onnx-int8" else 1e-4)
    assert b"/" + str(Path(lepton_nb.__file__).parent).encode()[1:] not in made.content


def test_several_formats_give_one_table_of_size_time_difference_and_accuracy(subject, tmp_path) -> None:
    ws, run, data = subject
    found = export(ws, run, data, HERE, out=tmp_path)
    expected, (_, targets) = network_probabilities(run, data, "test"), read(data, "test")
    assert found.rows == len(targets)
    assert found.accuracy == pytest.approx((expected.argmax(1) == targets).mean())
    assert [one.format for one in found.files] == list(HERE)
    for one in found.files:
        assert one.path == tmp_path / f"{run.name}{FORMATS[one.format]}"
        assert (one.size_bytes, one.sha256) == (one.path.stat().st_size, file_sha256(one.path))
        assert 0 < one.latency_p50_ms <= one.latency_p95_ms
        assert one.accuracy_lost == pytest.approx(found.accuracy - one.accuracy)
    whole, small, program = found.files
    assert whole.path.read_bytes() == (run.path / "artifact" / "model.onnx").read_bytes()
    assert max(whole.difference, program.difference) < 1e-4
    assert whole.accuracy_lost == program.accuracy_lost == 0
    assert 1e-6 < small.difference < 0.25
    assert abs(small.accuracy_lost) < 0.05
    assert small.note.startswith(("static, calibrated on ", "dynamic, since static"))
    shown, bundle = str(found), found._repr_mimebundle_()
    for one in found.files:
        assert one.format in shown
        assert str(one.path) in bundle["text/html"]
    assert json.dumps(found.to_json())


def test_a_quantised_network_is_smaller_and_keeps_its_preprocessing_and_its_softmax_in_full(pictures, tmp_path) -> None:
    ws, run, data = pictures
    whole, small = export(ws, run, data, ("onnx", "onnx-int8"), out=tmp_path).files
    assert small.size_bytes < 0.5 * whole.size_bytes
    graph = onnx.load(small.path).graph
    made_by = {output: node for node in graph.node for output in node.output}
    softmax = next(node for node in graph.node if node.op_type == "Softmax")
    assert graph.output[0].name == softmax.output[0]
    assert made_by[softmax.input[0]].op_type not in ("QuantizeLinear", "DequantizeLinear")
    assert {value.name for value in graph.input} == {"input"}


def test_a_program_of_torch_takes_raw_pictures_and_a_tables_prepared_features(pictures, mixed, tmp_path) -> None:
    for (ws, run, data), what in ((pictures, "raw values"), (mixed, "preprocessed before")):
        (one,) = export(ws, run, data, ["pt2"], out=tmp_path / f"{data.name}.pt2").files
        assert what in one.note
        rows = read(data, "test")[0]["input"] if data.kind == "array" else features(data, "test")[0]
        program = torch.export.load(io.BytesIO(one.path.read_bytes()))
        answers = program.module()(torch.from_numpy(np.asarray(rows, np.float32))).detach().numpy()
        np.testing.assert_allclose(answers, network_probabilities(run, data, "test"), atol=1e-5)
        with zipfile.ZipFile(one.path) as archive:
            texts = b"".join(archive.read(name) for name in archive.namelist())
        assert str(Path(lepton_nb.__file__).parent).encode() not in texts
        assert str(Path(torch.__file__).parent).encode() not in texts


def test_nothing_is_left_changed_in_the_process_that_exports(pictures, tmp_path, capfd) -> None:
    threads, handlers = torch.get_num_threads(), list(logging.root.handlers)
    ws, run, data = pictures
    export(ws, run, data, ("pt2", "onnx-int8"), out=tmp_path)
    assert (torch.get_num_threads(), logging.root.handlers) == (threads, handlers)
    assert capfd.readouterr() == ("", "")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_there_is_replaced_only_when_told_so_and_before_that_nothing_is_done(mixed, tmp_path) -> None:
    ws, run, data = mixed
    file = tmp_path / f"{run.name}.pt2"
    file.write_text("mine")
    with pytest.raises(ConflictError, match=r"mixed-mlp\.pt2 is there already; next: --force replaces it"):
        export(ws, run, data, ("onnx", "pt2"), out=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
    assert file.read_text() == "mine"
    export(ws, run, data, ("onnx", "pt2"), out=tmp_path, force=True)
    assert zipfile.is_zipfile(file)
    assert sorted(one.name for one in tmp_path.iterdir()) == [f"{run.name}.onnx", file.name]


def test_one_format_goes_into_the_named_file_or_the_named_folder(mixed, tmp_path, monkeypatch) -> None:
    ws, run, data = mixed
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for out, place in (
        (Path("deep/er/file.bin"), "deep/er/file.bin"),
        (Path("folder"), "folder/mixed-mlp.onnx"),
        (None, "mixed-mlp.onnx"),
    ):
        (one,) = export(ws, run, data, ["onnx"], out=out).files
        assert one.path == Path(place)
        assert (tmp_path / place).is_file()
    with pytest.raises(UsageError, match=r"mixed-mlp\.onnx is a file, but 2 formats"):
        export(ws, run, data, ["onnx", "pt2"], out=Path("mixed-mlp.onnx"))
    (tmp_path / "there" / "mixed-mlp.onnx").mkdir(parents=True)
    with pytest.raises(ConflictError, match="is a folder"):
        export(ws, run, data, ["onnx"], out=Path("there"), force=True)


@pytest.mark.parametrize(
    ("formats", "told"),
    [
        ([], "no format is named; expected one or more of onnx, onnx-int8, pt2, executorch"),
        (["onx"], "format 'onx' is unknown.*did you mean 'onnx'"),
        (["onnx", "coreml"], "format 'coreml' is unknown"),
    ],
)
def test_an_unknown_format_is_refused_with_those_there_are(formats, told, mixed, tmp_path) -> None:
    ws, run, data = mixed
    with pytest.raises(UsageError, match=told):
        export(ws, run, data, formats, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(HAS_EXECUTORCH, reason="executorch is installed")
def test_a_format_whose_library_is_missing_names_it_before_any_other_is_made(mixed, tmp_path) -> None:
    ws, run, data = mixed
    with pytest.raises(MissingError, match="package executorch is not installed; next: pip install executorch"):
        export(ws, run, data, ("onnx", "executorch"), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_test_rows_nothing_can_be_measured(mixed, tmp_path) -> None:
    ws, run, data = mixed
    none = dataclasses.replace(data, rows={**data.rows, "test": 0})
    with pytest.raises(DataError, match="has no test rows"):
        export(ws, run, none, ["onnx"], out=tmp_path)


class Looked(pl.LightningModule):
    """Its forward has an operator that ONNX has no form for."""

    def __init__(self, in_features=3, num_classes=2) -> None:
        super().__init__()
        self.line = torch.nn.Linear(in_features, num_classes)

    def forward(self, x):
        return torch.special.bessel_j0(self.line(x))


def test_what_onnx_cannot_express_may_still_be_a_program_of_torch(tmp_path, quick_run) -> None:
    rng = np.random.default_rng(5)
    ws = Workspace(tmp_path / ".lepton")
    data = load(ws, (rng.normal(size=(150, 3)), rng.integers(0, 2, 150)), name="small")
    run = quick_run(ws, data, Looked, epochs=0)
    with pytest.raises(PackagingError, match=r"ONNX cannot express network Looked.*bessel_j0"):
        export(ws, run, data, ("pt2", "onnx"), out=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [".lepton"]
    (one,) = export(ws, run, data, ["pt2"], out=tmp_path / "looked.pt2").files
    assert one.difference < 1e-5


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_run_without_its_last_weights_is_refused(status, mixed, tmp_path) -> None:
    ws, run, data = mixed
    other = dataclasses.replace(run, status=status, path=tmp_path / "run")
    with pytest.raises(PackagingError, match="is still training" if status == "running" else "no trained weights"):
        export(ws, other, data, ["pt2"], out=tmp_path / "file.pt2")
    assert not list(tmp_path.iterdir())


def test_where_static_ranges_lose_the_answers_the_quantisation_is_dynamic(mixed, tmp_path, monkeypatch) -> None:
    from lepton_nb.packaging.exports import quantised

    ws, run, data = mixed
    # No loss is small enough for it.
    monkeypatch.setattr(quantised, "_MOST_LOST", -1.0)
    monkeypatch.setattr(quantised, "_STATIC", ["Relu"])
    (one,) = export(ws, run, data, ["onnx-int8"], out=tmp_path).files
    assert one.note.startswith("dynamic, since ")
    assert abs(one.accuracy_lost) < 0.05
