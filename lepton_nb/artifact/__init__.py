"""What is shipped of a run? One `model.onnx` from typed inputs to probabilities, with what must lie beside it."""

from .building import build, data_of
from .folder import add_file
from .trained import network_probabilities

__all__ = ["add_file", "build", "data_of", "network_probabilities"]
