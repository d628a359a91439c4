"""Networks over texts and sequences: what stands behind a row, or beside it, never changes its answer."""

import importlib.util

import numpy as np
import pytest
import torch

from lepton_nb import models
from lepton_nb.errors import UsageError

VOCABULARY = 50
KINDS = [
    ("rnn", {"cell": "gru"}),
    ("rnn", {"cell": "lstm", "layers": 2}),
    ("transformer", {"positions": "learned"}),
    ("transformer", {"positions": "sinusoidal", "layers": 1, "heads": 2}),
]


def network(name, shape=(12,), vocabulary=VOCABULARY, **options):
    torch.manual_seed(0)
    return models.build(name, shape, 3, vocabulary=vocabulary, width=8, **options).eval()


def rows(sizes, width):
    """Token ids [N, width] of texts of these sizes, 0 behind them; the same ones for every width."""
    ids = torch.zeros(len(sizes), width, dtype=torch.int64)
    for row, size in enumerate(sizes):
        ids[row, :size] = torch.randint(1, VOCABULARY, (size,), generator=torch.Generator().manual_seed(row))
    return ids


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_padding_never_changes_an_answer(name, options):
    built = network(name, **options)
    together = built(rows([3, 7, 1, 12], 12))
    for row, size in enumerate([3, 7, 1, 12]):
        alone = built(rows([3, 7, 1, 12], 12)[row : row + 1, :size])
        torch.testing.assert_close(alone[0], together[row])
    torch.testing.assert_close(built(rows([3, 7], 7)), together[:2])


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_padding_never_changes_a_gradient(name, options):
    found = []
    for width in (5, 12):
        built = network(name, **options)
        built(rows([5, 2], width)).square().sum().backward()
        found.append({key: value.grad for key, value in built.named_parameters()})
    for key, short in found[0].items():
        torch.testing.assert_close(short, found[1][key], msg=key)


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_the_order_of_the_steps_counts(name, options):
    built, ids = network(name, **options), rows([6], 6)
    assert not torch.allclose(built(ids), built(ids.flip(1)))


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_a_row_without_a_token_has_an_answer_too(name, options):
    built = network(name, **options)
    assert torch.isfinite(built(torch.zeros(2, 4, dtype=torch.int64))).all()


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_sequences_of_numbers_are_taken_too(name, options):
    built = network(name, (7, 3), 0, **options)
    steps = torch.randn(4, 7, 3)
    assert built(steps).shape == (4, 3)
    torch.testing.assert_close(built(steps)[2], built(steps[2:3])[0])


def test_tokens_are_left_out_in_training_alone():
    built = network("rnn", word_dropout=1.0, dropout=0.0)
    ids = rows([5, 5], 5)
    assert not torch.allclose(built(ids)[0], built(ids)[1])
    built.train()
    torch.testing.assert_close(built(ids)[0], built(ids)[1])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_exported_network_holds_operators_of_torch_alone_and_takes_any_length(cell):
    from lepton_nb.models.recurrent import as_torch_has_it

    built = network("rnn", cell=cell)
    shapes = ({0: torch.export.Dim("rows", min=1), 1: torch.export.Dim.AUTO},)
    program = torch.export.export(built.network, (rows([3, 6], 6),), dynamic_shapes=shapes)
    as_torch_has_it(program)
    assert not [node for node in program.graph.nodes if "lepton" in str(node.target)]
    for ids in (rows([3, 6], 6), rows([9], 9), rows([1, 2, 3], 3)):
        torch.testing.assert_close(program.module()(ids), built(ids))


@pytest.mark.parametrize("name", ["rnn", "transformer"])
@pytest.mark.parametrize("shape", [(30,), (1, 8, 8)])
def test_rows_that_are_no_steps_are_refused(name, shape):
    with pytest.raises(UsageError, match=rf"{name} needs texts or sequences; expected rows of shape .steps, features"):
        models.build(name, shape, 2)


@pytest.mark.parametrize(("name", "needs"), [("mlp", "numbers"), ("cnn", "images"), ("tab_transformer", "numbers")])
def test_networks_over_numbers_refuse_texts_and_name_what_takes_them(name, needs):
    with pytest.raises(UsageError, match=rf"{name} needs {needs}; .*got texts; next: use ngrams, rnn or transformer"):
        models.specify(name, (12,), 2, {}, about={"vocabulary": VOCABULARY})


@pytest.mark.parametrize(
    ("option", "value"), [("cell", "grue"), ("positions", 1), ("width", 0), ("layers", 1.5), ("word_dropout", 2)]
)
def test_an_option_that_cannot_be_is_refused(option, value):
    name = "transformer" if option == "positions" else "rnn"
    with pytest.raises(UsageError, match=f"{name}: {option} .* is not allowed; expected"):
        models.specify(name, (7, 3), 2, {option: value})


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UsageError, match="width 10 is no multiple of heads 4"):
        models.build("transformer", (7, 3), 2, width=10)


def test_a_class_of_ones_own_is_told_how_many_tokens_there_are():
    import pytorch_lightning as pl

    class Net(pl.LightningModule):
        def __init__(self, vocab_size, num_classes):
            super().__init__()
            self.bag = torch.nn.EmbeddingBag(vocab_size, num_classes, padding_idx=0)

    spec = models.specify(Net, (12,), 2, {}, about={"vocabulary": VOCABULARY})
    assert spec.options == {"vocab_size": VOCABULARY, "num_classes": 2}
    assert np.shape(spec.build().bag.weight) == (VOCABULARY, 2)


def test_a_module_with_an_operator_of_ours_can_be_imported_anew():
    network("rnn")(rows([3], 4))
    found = importlib.util.find_spec("lepton_nb.models.recurrent")
    again = importlib.util.module_from_spec(found)
    found.loader.exec_module(again)
    layer = again.layer_of("gru", 2, 3)
    values = torch.zeros(1, 4, 2)
    told = torch.ops.lepton_nb.recurrent("gru", values, torch.zeros(1, 1, 3), list(layer.parameters()))
    torch.testing.assert_close(told, again.states_of("gru", layer, values))
