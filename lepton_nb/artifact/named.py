"""A network with any named inputs and outputs, asked by torch and written as ONNX."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import InexpressibleError, PackagingError
from ..models.recurrent import translations
from .network import ANY_ROWS, OPSET, PROBABILITIES, quiet, reason_of, without_traces
from .operators import known_operators
from .trained import Head

__all__ = ["Named", "Table", "ask", "embeddings", "export_named", "flattened", "signed"]

Arrays = Mapping[str, NDArray[Any]]
_IR_VERSION, _PRODUCER = 10, "lepton_nb"
_WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


class Named(torch.nn.Module):
    """A network whose inputs come in order, and whose outputs leave so.

    Args:
        network: the network.
        inputs: the arguments of its forward, in the order in which they come.
        outputs: names for what it returns; none for its own.
        head: what makes probabilities of its only output; None where that is not wanted.
    """

    def __init__(
        self, network: torch.nn.Module, inputs: Sequence[str], outputs: Sequence[str], head: Head | None
    ) -> None:
        super().__init__()
        self.network, self._inputs, self._outputs, self._head = network, tuple(inputs), tuple(outputs), head

    def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs, in order."""
        answer = self.network(**dict(zip(self._inputs, values, strict=True)))
        found = list(flattened(answer, self._outputs).values())
        if self._head == "softmax":
            return (torch.softmax(found[0], dim=1).float(),)
        if self._head in ("sigmoid", "pair"):
            second = found[0].reshape(-1, 1)
            second = torch.sigmoid(second) if self._head == "sigmoid" else second
            return (torch.cat([1 - second, second], dim=1).float(),)
        return tuple(found)


def flattened(answer: Any, names: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """What a forward returned, by names: its own, or `output`, or `output_0` and so on.

    Args:
        answer: a tensor, or a mapping, tuple, list or dataclass of tensors; None among them is passed over.
        names: to be used instead, in order.

    Raises:
        PackagingError: it is something else, or of another number than the names.
    """
    if isinstance(answer, torch.Tensor):
        found: dict[str, Any] = {"output": answer}
    elif isinstance(answer, Mapping):
        found = {str(name): value for name, value in answer.items()}
    elif isinstance(answer, tuple) and hasattr(answer, "_asdict"):
        found = answer._asdict()
    elif isinstance(answer, (tuple, list)):
        found = {f"output_{place}": value for place, value in enumerate(answer)}
    elif dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        found = {one.name: getattr(answer, one.name) for one in dataclasses.fields(answer)}
    else:
        found = {"output": answer}
    found = {name: value for name, value in found.items() if value is not None}
    if odd := [name for name, value in found.items() if not isinstance(value, torch.Tensor)]:
        raise PackagingError(
            f"forward returns what is no tensor: {odd[0]!r}",
            expected="a tensor, or tensors in a tuple or a mapping",
            got=type(found[odd[0]]).__name__,
            hint="return from forward what is to be served",
        )
    if names and len(names) != len(found):
        raise PackagingError(
            f"--outputs names {len(names)} outputs", expected=f"{len(found)}: {', '.join(found)}", got=", ".join(names)
        )
    return dict(zip(names, found.values(), strict=True)) if names else found


def ask(network: Any, inputs: Arrays, outputs: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """What a network answers to some rows.

    Args:
        network: a module in eval mode.
        inputs: by the names of forward's arguments, [N, ...] each.
        outputs: names for what it returns.

    Raises:
        PackagingError: `forward` fails, returns what has no rows, or gives NaN.
    """
    name, rows = type(network).__name__, len(next(iter(inputs.values())))
    shapes = ", ".join(f"{key} {list(value.shape)}" for key, value in inputs.items())
    try:
        with torch.no_grad():
            answer = network(**{key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in inputs.items()})
    except Exception as cause:
        raise PackagingError(
            f"forward of {name} fails on rows of its training: {shapes}", got=f"{type(cause).__name__}: {cause}"
        ) from cause
    found = {key: value.detach().numpy() for key, value in flattened(answer, outputs).items()}
    for key, value in found.items():
        if not value.ndim or len(value) != rows:
            raise PackagingError(
                f"output {key!r} of {name} has no value for each row",
                expected=f"[{rows}, ...] for {rows} rows",
                got=f"{list(value.shape)}",
                hint="return from forward what is to be served, with the rows in the first dimension",
            )
        if not np.isfinite(value).all():
            raise PackagingError(
                f"{name} gives NaN or infinity in output {key!r}", hint="train again with a smaller learning rate"
            )
    return found


@dataclasses.dataclass(frozen=True)
class Table:
    """An embedding.

    Args:
        rows: how many it has.
        padding: the row that stands for padding; None where there is none.
        places: rows of the table of each place of the input's last dimension, where they differ.
    """

    rows: int
    padding: int | None
    places: tuple[int, ...] = ()


def embeddings(network: Any, inputs: Arrays, more: Sequence[Arrays] = ()) -> dict[str, Table]:
    """The inputs that are, as a whole, numbers of rows of embeddings, with the table that bounds them.

    Numbers that are looked up in several tables are bounded by the smallest of these; of numbers that have tables of
    their own, such as the columns of an input, the largest is told, and `Table.places` has them all.

    What forward looks up is seen where torch does it, so that a part of an input, such as a column of it, and a
    number of another type are known, too. What is computed of an input may by chance be equal to it, a remainder for
    instance: not where a table has no row for what the input is elsewhere.

    Args:
        network: a module in eval mode.
        inputs: some rows, by the names of forward's arguments.
        more: other rows that the network was trained on.
    """
    given = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in inputs.items()}
    looking = _Looking({name: value for name, value in given.items() if value.dtype in _WHOLE}, more)
    with torch.no_grad(), looking:
        network(**given)
    return {name: looking.bound(name) for name in looking.found if looking.whole(name)}


class _Looking(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what is looked up in embeddings, and in which inputs it lies.

    Args:
        given: the inputs, by their names.
        more: other rows of the same inputs.
    """

    def __init__(self, given: Mapping[str, torch.Tensor], more: Sequence[Arrays] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._given, self._more = given, more
        # How many rows the smallest table has in which a number was looked up; 0 where it was looked up in none.
        self._seen = {name: torch.zeros(value.numel(), dtype=torch.int64) for name, value in given.items()}
        self.found: dict[str, list[Table]] = {}

    def whole(self, name: str) -> bool:
        """Whether every number of an input is one of a row."""
        return bool(self._seen[name].all())

    def bound(self, name: str) -> Table:
        """The table that bounds an input."""
        value = self._given[name]
        seen = self._seen[name].reshape(value.shape)
        table = min((one for one in self.found[name] if one.rows >= int(seen.max())), key=lambda one: one.rows)
        if value.ndim < 2:
            return table
        places = seen.reshape(-1, value.shape[-1]).amin(0)
        return table if len(set(places.tolist())) == 1 else dataclasses.replace(table, places=tuple(places.tolist()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = getattr(func, "overloadpacket", None)
        if packet is torch.ops.aten.embedding:
            padding = args[2] if len(args) > 2 else -1
            self._note(args[1], Table(args[0].shape[0], padding if padding >= 0 else None))
        elif packet in (torch.ops.aten._embedding_bag, torch.ops.aten._embedding_bag_forward_only):  # noqa: SLF001
            self._note(args[1], Table(args[0].shape[0], None))
        return func(*args, **(kwargs or {}))

    def _note(self, places: torch.Tensor, table: Table) -> None:
        for name, value in self._given.items():
            if places.untyped_storage().data_ptr() == value.untyped_storage().data_ptr():
                start = places.storage_offset() - value.storage_offset()
                part = self._seen[name].as_strided(places.shape, places.stride(), start)
            elif (where := _part(value, places)) is not None and table.rows > self._largest(name, where):
                part = self._seen[name].view(value.shape)[where]
            else:
                continue
            part[...] = torch.where(part > 0, part.clamp(max=table.rows), table.rows)
            self.found.setdefault(name, []).append(table)
            return

    def _largest(self, name: str, where: Any) -> int:
        """The largest number that a part of an input has in any row that is known; -1 where none is."""
        shape = tuple(self._given[name].shape[1:])
        rows = [one[name] for one in self._more if where is ... or one[name].shape[1:] == shape]
        return max((int(one[where].max()) for one in rows), default=-1)


def _part(value: torch.Tensor, places: torch.Tensor) -> Any:
    """The part of an input that some numbers are a copy of; None where they are of none."""
    if value.shape == places.shape:
        return ... if bool((value == places).all()) else None
    if value.ndim == 2 and places.shape == value.shape[:1]:
        return next(
            ((slice(None), one) for one in range(value.shape[1]) if bool((value[:, one] == places).all())), None
        )
    return None


def export_named(
    network: torch.nn.Module,
    sample: Arrays,
    outputs: Sequence[str],
    differing: Mapping[str, Sequence[int]],
    *,
    head: Head | None,
) -> tuple[onnx.ModelProto, Any]:
    """The network as ONNX, for any number of rows, and the exporter's program.

    Args:
        network: a module in eval mode, on the CPU.
        sample: at least two rows, by the names of forward's arguments.
        outputs: names of its outputs, in order.
        differing: dimensions besides the first one that shall have any length where the network allows it.
        head: for a classification, what makes probabilities of its output; None for other tasks.

    Raises:
        InexpressibleError: ONNX cannot express the network; the message names the operator or the reason.
    """
    name, rows, auto = type(network).__name__, torch.export.Dim("rows", min=1), torch.export.Dim.AUTO
    shapes = tuple({0: rows, **dict.fromkeys(differing.get(key, ()), auto)} for key in sample)
    told = [PROBABILITIES] if head is not None else list(outputs)
    wrapped = Named(network, list(sample), outputs, head).eval()
    try:
        with quiet(), known_operators():
            program = torch.onnx.export(
                wrapped,
                tuple(torch.from_numpy(np.ascontiguousarray(value)) for value in sample.values()),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=list(sample),
                output_names=told,
                opset_version=OPSET,
                external_data=False,
                custom_translation_table=translations(),
                verbose=False,
            )
            model = without_traces(program.model_proto) if program else onnx.ModelProto()
    except Exception as cause:
        reason, hint = reason_of(cause)
        raise InexpressibleError(f"ONNX cannot express network {name}", got=reason, hint=hint) from cause
    if not model.graph.input or not all(one.type.tensor_type.shape.dim[0].dim_param for one in model.graph.input):
        raise InexpressibleError(
            f"ONNX cannot express network {name} for any number of rows",
            got=f"a graph for exactly {len(next(iter(sample.values())))} rows",
            hint=ANY_ROWS,
        )
    return signed(model), program


def signed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model as ours, found to be whole."""
    model.ir_version, model.graph.name = _IR_VERSION, "model"
    model.producer_name, model.producer_version, model.domain, model.doc_string = _PRODUCER, "", "", ""
    onnx.checker.check_model(model)
    return model
