import pytest
import torch
from torch import nn

from lepton_nb import models
from lepton_nb.errors import FormatError


def test_saved_weights_come_back_bit_for_bit(tmp_path):
    written, read = (models.build("cnn", (1, 8, 8), 10) for _ in range(2))
    models.save_weights(tmp_path / "weights.safetensors", written)
    models.load_weights(tmp_path / "weights.safetensors", read)
    for name, tensor in written.state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name])
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight


def test_tensors_that_a_network_shares_are_written_once_and_stay_shared(tmp_path):
    written, read = Tied(), Tied()
    models.save_weights(tmp_path / "w", written)
    models.load_weights(tmp_path / "w", read)
    assert torch.equal(read.head.weight, written.head.weight)
    assert read.head.weight is read.embedding.weight


def test_weights_of_a_lazy_layer_load_into_a_network_that_has_seen_no_data(tmp_path):
    written, read = (nn.Sequential(nn.LazyLinear(3)) for _ in range(2))
    written(torch.zeros(1, 7))
    models.save_weights(tmp_path / "w", written)
    models.load_weights(tmp_path / "w", read)
    assert torch.equal(read[0].weight, written[0].weight)


def test_weights_of_another_network_are_refused(tmp_path):
    models.save_weights(tmp_path / "w", models.build("mlp", (3,), 2))
    with pytest.raises(FormatError, match="does not fit"):
        models.load_weights(tmp_path / "w", models.build("mlp", (4,), 2))
    with pytest.raises(FormatError, match="does not fit"):
        models.load_weights(tmp_path / "w", nn.Linear(3, 2))


def test_broken_weights_are_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"not safetensors")
    with pytest.raises(FormatError, match="does not fit"):
        models.load_weights(tmp_path / "w", nn.Linear(1, 1))
