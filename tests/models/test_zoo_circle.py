"""Every network of the zoo is trained, evaluated, packaged, served and asked, and answers as torch does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from lepton_nb import models
from lepton_nb.artifact import network_probabilities, stacked
from lepton_nb.data import TextOptions, features, load, read
from lepton_nb.evaluation import evaluate, evaluate_agent
from lepton_nb.packaging import package
from lepton_nb.records import Data, Run, Series
from lepton_nb.runtime.app import create_app
from lepton_nb.runtime.model import Model
from lepton_nb.runtime.settings import Settings
from lepton_nb.runtime.slots import Slot
from lepton_nb.serving.prediction import rows_of
from lepton_nb.training.job import Fit, Job
from lepton_nb.workspace import Workspace

_ROWS = 60


@dataclass(frozen=True)
class Circle:
    """A network on a data set.

    Args:
        net: its name.
        data: loads the data set.
        options: of the network.
        metric: what its card tells.
    """

    net: str
    data: Callable[[Workspace], Data]
    metric: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.net, self.metric, *map(str, self.options.values())])


def table(ws: Workspace, target: str, **options: Any) -> Data:
    """Two numbers with gaps, a category; a class, two numbers and three labels that follow from them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(50, 9, (_ROWS, 2)), columns=["age", "height"])
    city = rng.choice(["oslo", "rome", "paris"], _ROWS)
    frame["city"] = city
    known = {
        "class": np.where(frame["age"] > 50, "old", "young"),
        "cost": frame["age"] * 1000.5,
        "days": frame["height"] / 7,
        "tags": [
            ";".join(np.array(["warm", "old"])[[c == "rome", a > 50]]) for c, a in zip(city, frame["age"], strict=True)
        ],
    }
    frame.loc[::7, "age"] = np.nan
    for name in target.split(","):
        frame[name] = known[name]
    return load(ws, frame, target=target, **options)


def pictures(ws: Workspace, target: Any) -> Data:
    """Pictures of 6 x 6 whose brightness says what they are."""
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (_ROWS, 1, 6, 6)) + rng.integers(0, 2, _ROWS)[:, None, None, None]
    return load(ws, (images.astype(np.float32), target(images.mean(axis=(1, 2, 3)))))


def texts(ws: Workspace, target: str, **options: Any) -> Data:
    """Messages of three to nine words; a class and a number that follow from them."""
    rng = np.random.default_rng(0)
    words = ["free", "prize", "call", "home", "dinner", "see"]
    spoken = [" ".join(words[one] for one in rng.integers(0, 6, 3 + row % 7)) + f" {row}" for row in range(_ROWS)]
    known = {
        "class": ["spam" if "free" in one else "ham" for one in spoken],
        "tags": [";".join(word for word in ("free", "call") if word in one) for one in spoken],
        "words": [len(one) / 7 for one in spoken],
    }
    frame = pd.DataFrame({"text": spoken, target: known[target]})
    return load(ws, frame, target=target, text=TextOptions(vocabulary=300, max_length=16), **options)


def sequences(ws: Workspace, target: Any) -> Data:
    """Seven steps of three numbers, whose last step says what they are."""
    steps = np.random.default_rng(0).normal(0, 1, (_ROWS, 7, 3)).astype(np.float32)
    return load(ws, (steps, target(steps[:, -1].sum(axis=1))))


def series(ws: Workspace) -> Data:
    """Sales of ten weeks, with a price; three days are forecast."""
    days = np.arange(70)
    sold = 20 + 5 * np.sin(2 * np.pi * days / 7) + np.random.default_rng(0).normal(0, 1, len(days))
    moments = pd.date_range("2024-01-01", periods=len(days)).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": moments, "sold": sold, "price": days % 5})
    return load(ws, frame, target="sold", time_column="day", series=Series(history=7, horizon=3))


def taken(ws: Workspace) -> Data:
    """Who took which of twelve items."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, 6, 120)
    items = 2 * users + rng.integers(0, 2, 120)
    frame = pd.DataFrame({"user": [f"u{one}" for one in users], "item": [f"i{one}" for one in items]})
    return load(ws, frame, target="item")


CIRCLES = [
    Circle("autoencoder", lambda ws: table(ws, "class"), "roc_auc", {"hidden": [8, 2]}),
    Circle("autoencoder", lambda ws: pictures(ws, lambda light: (light > 0.5).astype(int)), "roc_auc", {"normal": 0}),
    Circle("forecaster", series, "mae", {"cell": "gru", "size": 8}),
    Circle("forecaster", series, "coverage", {"cell": "lstm", "size": 8}),
    Circle("forecaster", series, "rmse", {"cell": "transformer", "quantiles": [0.5]}),
    Circle("two_tower", taken, "accuracy", {"hidden": [8], "size": 4}),
    Circle("mlp", lambda ws: table(ws, "class"), "accuracy", {"class_weights": "balanced"}),
    Circle("mlp", lambda ws: table(ws, "cost"), "rmse", {"embedding": "piecewise", "loss": "huber"}),
    Circle("tab_transformer", lambda ws: table(ws, "cost,days"), "r2", {"embedding": "periodic"}),
    Circle(
        "tab_transformer", lambda ws: table(ws, "tags", task="multilabel"), "exact_match", {"class_weights": [1, 2]}
    ),
    Circle("cnn", lambda ws: pictures(ws, lambda light: (light > 0.5).astype(int)), "accuracy", {"channels": [4, 8]}),
    Circle("cnn", lambda ws: pictures(ws, lambda light: light), "mae", {"channels": [4, 8]}),
    Circle("rnn", lambda ws: texts(ws, "class"), "accuracy", {"width": 8, "class_weights": "balanced"}),
    Circle("rnn", lambda ws: sequences(ws, lambda last: (last > 0).astype(int)), "f1", {"cell": "lstm", "layers": 2}),
    Circle("ngrams", lambda ws: texts(ws, "class"), "accuracy", {"longest": 3, "dropout": 0.1}),
    Circle("ngrams", lambda ws: texts(ws, "tags", task="multilabel"), "exact_match", {"class_weights": "balanced"}),
    Circle("transformer", lambda ws: texts(ws, "words", task="regression"), "rmse", {"width": 8, "heads": 2}),
    Circle("transformer", lambda ws: sequences(ws, lambda last: last), "mae", {"positions": "sinusoidal"}),
]


@pytest.mark.parametrize("circle", CIRCLES, ids=str)
def test_a_network_goes_all_the_way_and_answers_as_torch_does(circle, tmp_path, quick_run):
    ws = Workspace(tmp_path / ".lepton")
    data = circle.data(ws)
    run = quick_run(ws, data, circle.net, epochs=1, **circle.options)
    card = evaluate(ws, run, data)
    assert (card.task, card.rows) == (data.task, data.rows["test"])
    assert np.isfinite(card.metrics[circle.metric])
    bento = package(ws, run, data)

    expected, inputs = network_probabilities(run, data, "test"), read(data, "test")[0]
    assert np.abs(stacked(Model.load(bento.model).predict(inputs)) - expected).max() <= 1e-4 * max(
        1, abs(expected).max()
    )

    answer = served(bento, rows_of(inputs, Model.load(bento.model).signature))
    if data.task == "classification":
        assert {one["label"] for one in answer} <= set(data.classes)
        told = np.array([one["probabilities"] for one in answer])
    else:
        names = data.targets or data.classes
        told = np.array([[one["outputs"][name] for name in names] for one in answer])
    np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-4)
    levels = circle.options.get("quantiles", [0.1, 0.5, 0.9]) if circle.net == "forecaster" else []
    quantiles_are_answered(run, data, answer, levels if len(levels) > 1 else [])


def test_an_agent_goes_all_the_way_and_answers_as_torch_does(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    quick = {"epoch_steps": 5, "warmup": 50, "batch": 8, "envs": 4, "train_every": 4, "episodes": 4, "sweeps": 2}
    place = models.environment("maze:2x2")
    spec = models.specify_agent("dqn", place, quick)
    torch.manual_seed(0)
    agent = spec.build()
    silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    pl.Trainer(max_epochs=1, accelerator="cpu", num_sanity_val_steps=0, **silent).fit(agent)
    path = ws.run("run1")
    path.mkdir(parents=True, mode=0o700)
    Job("run1", "walker", ws.home, "", Fit(1, 8, 0, 0), spec.entry(), [], loaders="environment").write(spec.pack())
    models.save_weights(path / "weights.safetensors", agent)
    models.write_seen(path / "job", agent.environment, agent.eval().best)
    run = Run("run1", "walker", "finished", "dqn", place.name, 0.0, 1.0, {}, {}, {}, path)

    examples = models.read_examples(path / "job")
    card = evaluate_agent(run, examples, place)
    assert card.classes == place.actions
    assert np.isfinite(card.metrics["return"])
    bento = package(ws, run, examples)
    seen = models.environment("maze:2x2").worlds(16, 5).reset()
    with torch.no_grad():
        expected = torch.softmax(agent(torch.from_numpy(seen)), dim=1).numpy()
    answer = served(bento, [{"observation": one.tolist()} for one in seen])
    np.testing.assert_allclose([one["probabilities"] for one in answer], expected, rtol=1e-4, atol=1e-4)
    assert [one["label"] for one in answer] == [place.actions[best] for best in expected.argmax(axis=1)]


def quantiles_are_answered(run, data, answer, levels):
    """Those of the network stand beside the medians, by their names, and no others."""
    names = [f"quantile_{level}" for level in levels]
    assert [name for name in answer[0].get("outputs", {}) if name.startswith("quantile")] == names
    if names:
        with torch.no_grad():
            expected = models.load_trained(run.path).quantiles(torch.from_numpy(features(data, "test")[0])).numpy()
        told = np.stack([[one["outputs"][name] for one in answer] for name in names], axis=2)
        np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-4)


def served(bento, rows):
    """What the app of a Bento answers to rows."""

    async def talk():
        app = create_app(Settings(Slot(bento.tag, bento.model)))
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
            app.router.lifespan_context(app),
        ):
            answer = await client.post("/predict", json={"rows": rows})
            assert answer.status_code == 200, answer.text
            return answer.json()["predictions"]

    return asyncio.run(talk())


def test_no_network_of_the_zoo_is_left_out():
    # An agent learns from an environment, and goes its way above.
    assert {one.net for one in CIRCLES} == {name for name in models.names() if not models.is_agent(name)}
