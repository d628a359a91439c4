"""What is shipped of a run? One `model.onnx` from typed inputs to probabilities, with what must lie beside it."""

from .building import build, build_examples, data_of, examples_of, wanted_of
from .folder import add_file
from .trained import network_probabilities, stacked
from .wanted import TASKS, Wanted

__all__ = [
    "TASKS",
    "Wanted",
    "add_file",
    "build",
    "build_examples",
    "data_of",
    "examples_of",
    "network_probabilities",
    "stacked",
    "wanted_of",
]
