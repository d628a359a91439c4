"""Where a graph and its network part: the first layer whose answer is another one.

The exporter notes at each node in which module of the network it arose (`pkg.torch.onnx.name_scopes`). The graph that
is shipped has layers merged into each other, so the same exported program is written once more as it is, the values
that leave each module are made outputs of that graph, and are compared with what hooks see in the network.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from .golden import is_close
from .network import FEATURES, OPSET, PROBABILITIES, quiet
from .operators import known_operators
from .trained import levels_of

__all__ = ["first_divergence"]

_SCOPES = "pkg.torch.onnx.name_scopes"
# The module around the network, which adds the softmax, calls it so.
_NETWORK = "network"


@dataclass
class _Call:
    """One call of a module, in the order of their ends."""

    name: str
    kind: str
    above: str
    inputs: list[NDArray[Any]]
    output: NDArray[Any] | None = None


@dataclass
class _Run:
    """The nodes of one call of a module, by the values that come in and go out."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


_Rows = NDArray[Any] | Mapping[str, NDArray[Any]]


def first_divergence(
    network: torch.nn.Module, program: Any, rows: _Rows, outputs: Sequence[str] = (PROBABILITIES,)
) -> str:
    """The first place where the graph computes something else than the network, in words.

    Args:
        network: the trained network, in eval mode.
        program: what `torch.onnx.export` gave for it.
        rows: prepared rows on which the two differ, float32 [N, *feature_shape], or by the names of forward's
            arguments.
        outputs: names of what the graph gives.

    Returns:
        Such as `layer 'net.3' (BatchNorm1d)`; empty when it cannot be told.
    """
    with quiet(), known_operators():
        plain = torch.onnx.export(
            program.exported_program,
            dynamo=True,
            input_names=list(rows) if isinstance(rows, Mapping) else [FEATURES],
            output_names=list(outputs),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            optimize=False,
        )
    if plain is None:
        return ""
    calls, model = _calls(network, rows), plain.model_proto
    runs = _runs(network, model, {call.name for call in calls})
    wanted = {value for found in runs.values() for one in found for value in (*one.inputs, *one.outputs)}
    return _first(calls, runs, _values(model, wanted, rows))


def _first(calls: list[_Call], runs: dict[str, list[_Run]], values: dict[str, NDArray[Any]]) -> str:
    asked: dict[str, int] = {}
    counts = {call.name: sum(one.name == call.name for one in calls) for call in calls}
    kinds = {call.name: call.kind for call in calls}
    for call in calls:
        turn = asked[call.name] = asked.get(call.name, -1) + 1
        found = runs.get(call.name, [])
        # A module whose calls cannot be told apart, or that leaves no trace (a dropout), says nothing.
        if call.output is None or len(found) != counts[call.name] or _agrees(call.output, found[turn].outputs, values):
            continue
        if not all(_agrees(one, found[turn].inputs, values) for one in call.inputs) and call.above in kinds:
            return (
                f"what forward of {_told(call.above, kinds[call.above])} computes before {_told(call.name, call.kind)}"
            )
        is_leaf = bool(call.name) and all(one.above != call.name for one in calls)
        return _told(call.name, call.kind) if is_leaf else f"forward of {_told(call.name, call.kind)} itself"
    return "the preprocessing, since the network alone answers alike" if calls else ""


def _told(name: str, kind: str) -> str:
    return f"layer {name!r} ({kind})" if name else f"the network {kind}"


def _agrees(seen: NDArray[Any], names: list[str], values: dict[str, NDArray[Any]]) -> bool:
    """Whether one of the values of that shape is this one; where none has the shape, nothing speaks against it."""
    alike = [values[name] for name in names if name in values and values[name].shape == seen.shape]
    return not alike or any(bool(is_close(value, seen).all()) for value in alike)


def _calls(network: torch.nn.Module, rows: _Rows) -> list[_Call]:
    """What each module took and gave, while the network answers."""
    ended: list[_Call] = []
    open_calls: list[_Call] = []
    names = {module: name for name, module in network.named_modules()}

    def begin(module: torch.nn.Module, given: Any, named: Any) -> None:
        above = open_calls[-1].name if open_calls else "-"
        inputs = [*_tensors(given), *_tensors(list(named.values()))]
        open_calls.append(_Call(names[module], type(module).__name__, above, inputs))

    def end(module: torch.nn.Module, given: Any, answer: Any) -> None:
        call = open_calls.pop()
        call.output = next(_tensors(answer), None)
        ended.append(call)

    hooks = [module.register_forward_pre_hook(begin, with_kwargs=True) for module in names]
    hooks += [module.register_forward_hook(end) for module in names]
    try:
        with torch.no_grad():
            if isinstance(rows, Mapping):
                network(**{name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in rows.items()})
            else:
                network(torch.from_numpy(rows))
                if levels_of(network):
                    quantiles: Any = network.quantiles
                    quantiles(torch.from_numpy(rows))
    finally:
        for hook in hooks:
            hook.remove()
    return ended


def _tensors(value: Any) -> Iterator[NDArray[Any]]:
    if isinstance(value, torch.Tensor):
        # In place operations behind a module would change what it gave.
        yield value.detach().clone().numpy()
    elif isinstance(value, (tuple, list, Mapping)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(one)


def _runs(network: torch.nn.Module, model: onnx.ModelProto, called: set[str]) -> dict[str, list[_Run]]:
    """For each module its stretches of nodes, in order: one for each call."""
    first = {module: name for name, module in network.named_modules()}
    aliases = {name: first[module] for name, module in network.named_modules(remove_duplicate=False)}
    constants = {one.name for one in model.graph.initializer}
    # Constants may stand anywhere.
    constants |= {value for node in model.graph.node if node.op_type == "Constant" for value in node.output}
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    places: dict[str, list[list[int]]] = {}
    for place, node in enumerate(nodes):
        for name in {aliases[scope] for scope in _scopes(node) if scope in aliases} & called:
            stretches = places.setdefault(name, [])
            if stretches and stretches[-1][-1] == place - 1:
                stretches[-1].append(place)
            else:
                stretches.append([place])
    final = {one.name for one in model.graph.output}
    return {name: [_run(nodes, one, constants, final) for one in found] for name, found in places.items()}


def _run(nodes: list[Any], places: list[int], constants: set[str], final: set[str]) -> _Run:
    inside = set(places)
    made = {value for place in places for value in nodes[place].output if value}
    outside = {value for place, node in enumerate(nodes) if place not in inside for value in node.input}
    inputs = {value for place in places for value in nodes[place].input if value} - made - constants
    return _Run(sorted(inputs), sorted(made & (outside | final)))


def _scopes(node: Any) -> list[str]:
    """The modules around a node, by the names that the network has for them; its own name is `''`."""
    text = next((one.value for one in node.metadata_props if one.key == _SCOPES), "[]")
    scopes = [one for one in ast.literal_eval(text)[:-1] if one == _NETWORK or one.startswith(f"{_NETWORK}.")]
    return [one[len(_NETWORK) + 1 :] for one in scopes]


def _values(model: onnx.ModelProto, wanted: set[str], rows: _Rows) -> dict[str, NDArray[Any]]:
    """Those values of the graph, for these rows."""
    from ..runtime.model import onnx_runtime

    ort = onnx_runtime()

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    given = {one.name for one in [*shown.graph.output, *shown.graph.input]}
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - given))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # As written: what ONNX Runtime merges has no value to show.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    feed = rows if isinstance(rows, Mapping) else {FEATURES: rows}
    return {**feed, **dict(zip(names, session.run(names, dict(feed)), strict=True))}
