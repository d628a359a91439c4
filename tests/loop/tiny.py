"""A model of one number that is right, wrong or broken, served for real; its labels; and pipelines that retrain it."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import ClassVar
from unittest import mock

import httpx
import nbformat
import numpy as np
from onnx import TensorProto, helper

import lepton_nb.runtime
from lepton_nb.loop.context import Context
from lepton_nb.loop.machine import step
from lepton_nb.loop.options import WatchOptions
from lepton_nb.loop.place import place_of
from lepton_nb.pipelines import OUTPUT_FILE, StepJob, StepResult
from lepton_nb.pipelines.outputs import read_outputs
from lepton_nb.records import silent
from lepton_nb.runtime import Input, Signature, manifest_of
from lepton_nb.serving import get, serve

SIGNATURE = Signature("classification", ("no", "yes"), (Input("x", "number"), Input("color", "category")))
# What a model says: `yes` when x is above zero, or below it, or no number at all for most x.
UP, DOWN = 4.0, -4.0


def bento(ws, tag: str, slope: float):
    """A Bento in the store whose model says yes with the probability of a logistic curve of x."""
    from lepton_nb.packaging import find

    name, _, version = tag.partition(":")
    path = ws.bentoml / "bentos" / name / version
    model = path / "src" / "model"
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(graph(slope).SerializeToString())
    (model / "signature.json").write_text(json.dumps(SIGNATURE.to_dict()))
    (model / "manifest.json").write_text(json.dumps(manifest_of(model, run="run-1", data="data-1").to_dict()))
    runtime = Path(lepton_nb.runtime.__file__).parent
    shutil.copytree(runtime, path / "src" / "lepton_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    stated = f"service: service:Model\nname: {name}\nversion: {version}\ncreation_time: '2026-01-01T00:00:00+00:00'\n"
    (path / "bento.yaml").write_text(stated)
    return find(ws, tag)


def graph(slope: float):
    """Softmax of [0, slope x]; a slope of zero divides by it, so that nothing comes out that is a number."""
    nodes = [
        helper.make_node("Cast", ["x"], ["small"], to=TensorProto.FLOAT),
        helper.make_node("Equal", ["color", "color"], ["same"]),
        helper.make_node("Cast", ["same"], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["small", "slope"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "one"], ["yes"]),
        helper.make_node("Sub", ["one", "one"], ["zero"]),
        helper.make_node("Div" if not slope else "Mul", ["zero", "zero"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 1]),
        helper.make_tensor_value_info("color", TensorProto.STRING, [None, 1]),
    ]
    constants = [helper.make_tensor("slope", TensorProto.FLOAT, [1], [slope])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])]
    made = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def pipeline(folder: Path, *cells: str) -> Path:
    """A pipeline of one notebook with these cells."""
    folder.mkdir(parents=True, exist_ok=True)
    code = ["data = target = ''", "from lepton_nb.pipelines import record_output", *cells]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in code])
    book.cells[0].metadata["tags"] = ["parameters"]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "retrain.ipynb")
    text = "parameters: {data: null, target: null}\nsteps:\n  make:\n    notebook: retrain.ipynb\n    cache: false\n"
    (folder / "retrain.yml").write_text(text + '    parameters: {data: "{data}", target: "{target}"}\n')
    return folder / "retrain.yml"


def makes(tag: str) -> str:
    """The cell of a pipeline whose retraining comes out as that Bento."""
    return f"record_output('bento', '{tag}')"


class InProcess:
    """Executes a step's cells in this process: an executor without a kernel, which takes seconds to come up."""

    def __init__(self) -> None:
        self.jobs: list[StepJob] = []

    def start(self, job: StepJob) -> None:
        self.jobs.append(job)

    def wait(self, seconds: float) -> StepResult | None:
        if not self.jobs:
            return None
        job = self.jobs.pop()
        book, outputs, error = nbformat.read(job.notebook, as_version=4), job.folder / "outputs.jsonl", ""
        with mock.patch.dict(os.environ, {**job.environment, OUTPUT_FILE: str(outputs)}):
            names: dict[str, object] = {}
            first, *cells = [cell.source for cell in book.cells]
            given = "\n".join(f"{name} = {value!r}" for name, value in job.parameters.items())
            try:
                for source in (first, given, *cells):
                    exec(source, names)
            except Exception as cause:  # noqa: BLE001 - whatever a cell raises is its failure
                error = f"{type(cause).__name__}: {cause}"
        nbformat.write(book, job.executed)
        status = "failed" if error else "completed"
        return StepResult(job.name, status, read_outputs(outputs), 0.0, None, error, 2 if error else None)

    def stop(self) -> None:
        self.jobs.clear()


class Tiny:
    """A served tiny model that answers rows and is told what was right.

    Args:
        ws: the workspace.
        slope: of the model that answers first, `tiny:v1`.
        noise: share of the rows whose truth is the other class.
    """

    clients: ClassVar[list[httpx.Client]] = []

    def __init__(self, ws, slope: float = UP, *, noise: float = 0.05) -> None:
        self.ws, self.noise = ws, noise
        self.rng = np.random.default_rng(0)
        self.deployment = serve(ws, bento(ws, "tiny:v1", slope))
        headers = {"authorization": f"Bearer {self.deployment.token_file.read_text()}"}
        self.client = httpx.Client(base_url=self.deployment.url, headers=headers, trust_env=False, timeout=60)
        self.clients.append(self.client)

    @property
    def answers(self) -> str:
        """The Bento that answers."""
        return get(self.ws, "tiny").bento

    def ask(self, rows: int, *, up: bool = True, labels: bool = True, requests: int = 20) -> list[int]:
        """Ask, and tell what was right: `yes` above zero, or below it. Gives the status of each request."""
        statuses = []
        for _ in range(requests):
            x = self.rng.normal(0, 1, max(1, rows // requests))
            truth = ((x > 0) == up) ^ (self.rng.random(len(x)) < self.noise)
            given = [{"x": float(one), "color": "red"} for one in x]
            answer = self.client.post("/predict", json={"rows": given})
            statuses.append(answer.status_code)
            if answer.status_code == 200 and labels:
                ids = [one["id"] for one in answer.json()["predictions"]]
                told = [{"id": i, "label": "yes" if yes else "no"} for i, yes in zip(ids, truth, strict=True)]
                self.client.post("/feedback", json={"feedback": told}).raise_for_status()
        return statuses

    def watch(self, path: Path | str, **options) -> "Watched":
        """A watch in this process, a step at a time."""
        known = {"when": "decaying", "every": 0.01, "window": 100, "labels": 300}
        known |= {"shadow": 50, "canary": 0.5, "canary_rows": 50, "guard": 0.2}
        executor = None if options.pop("kernel", False) else InProcess()
        return Watched(self, WatchOptions(**{"pipeline": str(path), **known, **options}), executor)


class Watched:
    """A watch in this process."""

    def __init__(self, tiny: Tiny, options: WatchOptions, executor: InProcess | None) -> None:
        place = place_of(tiny.ws, "tiny")
        place.folder.mkdir(parents=True, exist_ok=True)
        self.tiny, self.ctx = tiny, Context(tiny.ws, "tiny", options, place, silent, executor)
        self.state = self.step()

    def step(self):
        """Do one step from what is recorded."""
        self.state = step(self.ctx, self.ctx.place.mend())
        return self.state

    def until(self, *actions: str, up: bool, seconds: float = 800.0):
        """Ask and step until one of these was decided."""
        deadline = time.monotonic() + seconds
        while self.state.last.get("action") not in actions:
            assert time.monotonic() < deadline, (self.state, self.actions)
            if self.state.stage in ("shadow", "canary", "guarding"):
                self.tiny.ask(100, up=up)
            self.step()
        return self.state

    def decay(self, **how) -> None:
        """Two windows in which all was well, then three in which the truth is the other way round."""
        self.tiny.ask(200, up=True)
        self.step()
        self.tiny.ask(300, up=False)
        self.until("triggered", up=False, **how)
        self.tiny.ask(300, up=False)

    @property
    def actions(self) -> list[str]:
        """What was decided, in order."""
        return [one.action for one in self.ctx.place.decisions()]

    @property
    def why(self) -> str:
        """The reason of the last decision."""
        return str(self.state.last["why"])
