"""Networks on a notebook's own loaders: trained and packaged once, and served when they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tensor_nets
import torch

from lepton_nb import artifact, packaging, serving, training
from lepton_nb.models import load_trained
from lepton_nb.processes import free_port
from lepton_nb.records import Bento, Run
from lepton_nb.runtime.model import Model
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace

TEXTS = ["The film was GOOD", "dull", "a very bad story of very poor actors and it was not a very good plot at all, no"]


@dataclass(frozen=True)
class Made:
    """A run that was packaged and is served."""

    ws: Workspace
    run: Run
    bento: Bento
    folder: Path
    served: list[Any]

    @property
    def examples(self) -> Any:
        return artifact.examples_of(self.run)

    @property
    def deployment(self) -> Any:
        """Begun when it is first asked."""
        if not self.served:
            self.served.append(serving.serve(self.ws, self.bento, port=free_port()))
        return self.served[0]

    @property
    def signature(self) -> Any:
        return Model.load(self.bento.model).signature

    def post(self, path: str, **given: Any) -> httpx.Response:
        token = self.deployment.token_file.read_text().strip()
        headers = {"authorization": f"Bearer {token}", **given.pop("headers", {})}
        return httpx.post(self.deployment.url + path, headers=headers, trust_env=False, timeout=60, **given)

    def predict(self, rows: list[dict[str, Any]]) -> httpx.Response:
        return self.post("/predict", json={"rows": rows})

    def told(self, **inputs: torch.Tensor) -> Any:
        with torch.no_grad():
            return load_trained(self.run.path)(**inputs)

    def ids(self, texts: list[str], width: int | None = None) -> torch.Tensor:
        """The texts as the training had them."""
        made = tensor_nets.tokenizer(self.folder / "again.json")
        made.enable_truncation(tensor_nets.LENGTH)
        made.enable_padding(pad_id=0, pad_token="[PAD]", length=width)
        return torch.tensor([one.ids for one in made.encode_batch(texts)])


def made_of(name: str, folder: Path) -> Made:
    """A network by its name."""
    ws = Workspace(folder / ".lepton")
    run = training.train(ws, getattr(tensor_nets, name), tensor_nets.loaders(name, folder), Fit(3, 4, 0, 0))
    text = name in ("Lstm", "Transformer")
    wanted = artifact.Wanted(
        classes=("no", "yes") if text else (), tokenizer=folder / "tokenizer.json" if text else None
    )
    bento = packaging.package(ws, run, artifact.examples_of(run), name=name.lower(), wanted=wanted)
    return Made(ws, run, bento, folder, [])


def close(found: Any, expected: Any) -> None:
    theirs = np.asarray(expected, np.float64)
    assert (np.abs(np.asarray(found, np.float64) - theirs) <= 1e-4 * np.maximum(1, np.abs(theirs))).all()


def probabilities(answer: httpx.Response) -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    return [one["probabilities"] for one in answer.json()["predictions"]]
