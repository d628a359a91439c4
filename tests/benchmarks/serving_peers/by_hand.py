"""What the hand-written services share: the trained network in plain torch, or in ONNX Runtime, on one thread.

BENCH_MODEL names a folder with `model.onnx`, `network.safetensors`, `about.json` and, for a table,
`preparation.joblib`, a fitted ColumnTransformer.
"""

import json
import os
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

FOLDER = Path(os.environ["BENCH_MODEL"])
ABOUT = json.loads((FOLDER / "about.json").read_text())


def network():
    """The network with its weights, in evaluation mode."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    made = (_cnn if "channels" in ABOUT else _mlp)(torch.nn)
    made.load_state_dict(load_file(FOLDER / "network.safetensors"))
    return made.eval()


def _cnn(nn):
    def convolution(before, after, size):
        return [nn.Conv2d(before, after, size, padding=size // 2, bias=False), nn.BatchNorm2d(after)]

    class Block(nn.Module):
        def __init__(self, before, after):
            super().__init__()
            self.skip = nn.Sequential(*convolution(before, after, 1)) if before != after else nn.Identity()
            self.body = nn.Sequential(*convolution(before, after, 3), nn.ReLU(), *convolution(after, after, 3))

        def forward(self, images):
            return nn.functional.relu(self.body(images) + self.skip(images))

    layers, before, channels = {}, 1, ABOUT["channels"]
    for place, width in enumerate(channels, start=1):
        layers[f"block{place}"] = Block(before, width)
        if place < len(channels):
            layers[f"halved{place}"] = nn.MaxPool2d(2, ceil_mode=True)
        before = width
    layers |= {"mean": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "dropout": nn.Dropout()}
    layers["head"] = nn.Linear(before, len(ABOUT["classes"]))
    return nn.Sequential(OrderedDict(layers))


def _mlp(nn):
    widths, layers = [ABOUT["features"], *ABOUT["hidden"]], [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], len(ABOUT["classes"])))


def answer_of(network, features):
    """Label and probabilities of one row, by torch."""
    import torch

    with torch.inference_mode():
        probabilities = torch.softmax(network(features), dim=1)[0]
    return {"label": ABOUT["classes"][int(probabilities.argmax())], "probabilities": probabilities.tolist()}


def normalised(image):
    """One image as the network sees it."""
    import torch

    return (torch.as_tensor(image, dtype=torch.float32)[None] - ABOUT["mean"]) / ABOUT["std"]


class Onnx:
    """The same graph as ours, in ONNX Runtime."""

    def __init__(self) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(FOLDER / "model.onnx", options, providers=["CPUExecutionProvider"])

    def answer(self, image):
        import numpy as np

        rows = np.array(image, np.float32)[None]
        probabilities = self.session.run(["probabilities"], {"input": rows})[0][0]
        return {"label": ABOUT["classes"][int(probabilities.argmax())], "probabilities": probabilities.tolist()}
