"""What a network is for, told by what it returns and by its targets."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from lepton_nb.artifact.named import export_named
from lepton_nb.artifact.subject import subject_of
from lepton_nb.artifact.telling import notes_of
from lepton_nb.artifact.wanted import Wanted, task_of
from lepton_nb.errors import PackagingError
from lepton_nb.models import Batch, Examples
from lepton_nb.records import Run
from lepton_nb.runtime import Input, Signature

ONE, TRUE = np.array([[-1.0], [2.0], [0.5], [0.0]], np.float32), np.array([0, 1, 1, 0], np.float32)


class Net(nn.Module):
    def __init__(self, *, own: bool, flat: bool) -> None:
        super().__init__()
        self.body, self._own, self._flat = nn.Linear(3, 1), own, flat

    def forward(self, x):
        answer = self.body(x)
        answer = torch.sigmoid(answer) if self._own else answer
        return answer.squeeze(1) if self._flat else answer


@pytest.mark.parametrize("answer", [ONE, ONE[:, 0]])
@pytest.mark.parametrize("target", [TRUE, TRUE[:, None], TRUE.astype(np.int64), TRUE.astype(bool)])
def test_one_number_with_targets_of_0_and_1_is_a_classification(answer, target):
    assert task_of(Wanted(), {"output": answer}, [target], "Net") == "classification"
    assert task_of(Wanted(classes=("no", "yes")), {"output": answer}, [target], "Net") == "classification"
    assert task_of(Wanted(task="regression"), {"output": answer}, [target], "Net") == "regression"


def test_one_number_with_other_targets_is_none():
    assert task_of(Wanted(), {"output": ONE}, [TRUE[:, None] * 2], "Net") == "regression"
    assert task_of(Wanted(), {"output": ONE}, [TRUE[:, None] * 0], "Net") == "regression"
    with pytest.raises(PackagingError, match=r"or \[rows\] with targets of 0 and 1"):
        task_of(Wanted(task="classification"), {"output": ONE}, [TRUE * 2], "Net")
    with pytest.raises(PackagingError, match="tells 2 classes apart"):
        task_of(Wanted(classes=("a", "b", "c")), {"output": ONE}, [TRUE], "Net")


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize(("own", "head"), [(True, "pair"), (False, "sigmoid")])
def test_one_number_becomes_the_probabilities_of_two_classes(own, head, flat, monkeypatch, tmp_path):
    torch.manual_seed(0)
    network = Net(own=own, flat=flat).eval()
    monkeypatch.setattr("lepton_nb.artifact.subject.load_trained", lambda _: network)
    # So small that the logits of these rows are numbers from 0 to 1 all alike.
    rows = np.linspace(0, 0.1, 12, dtype=np.float32).reshape(4, 3)
    with torch.no_grad():
        network.body.bias.fill_(0.5)
    examples = Examples("x", validation=(Batch({"x": rows}, {"0": TRUE}),))
    run = Run("x", "x", "finished", "Net", "", 0.0, None, {}, {}, {}, tmp_path)
    subject = subject_of(run, examples, Wanted())
    assert subject.head == head
    second = network(torch.from_numpy(rows)).detach().numpy().reshape(-1)
    second = second if own else 1 / (1 + np.exp(-second))
    np.testing.assert_allclose(subject.answers[0]["probabilities"], np.stack([1 - second, second], 1), atol=1e-6)
    graph, _ = export_named(network, {"x": rows}, subject.outputs, {}, head=subject.head)
    (found,) = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"x": rows})
    np.testing.assert_allclose(found, subject.answers[0]["probabilities"], atol=1e-6)
    (note,) = notes_of(subject, Signature("classification", ("no", "yes"), (Input("x", "array", (3,)),)))
    assert "of class 'yes'; --task regression keeps it as it is" in note
