"""Weights that were learned elsewhere: which of them a network takes, and which part of it begins anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import FormatError, NotFoundError, TrainingError, near

__all__ = ["Taken", "backbone_of", "head_of", "is_under", "shapes_in", "take"]

# Names that last layers have in the libraries of the field, where a network has them.
_HEADS = ("head", "classifier", "fc", "lm_head", "logits", "output", "output_layer")
_SHOWN = 8


@dataclass(frozen=True)
class Taken:
    """What became of pretrained weights.

    Args:
        taken: tensors of the network that hold pretrained values now.
        new: parameters that keep their random values: the head, and what the file does not have.
        misfits: tensors of one name and two shapes, as `name: (file) and (network)`.
        unused: tensors of the file that the network has no place for.
        kept: numbers that are no weights (scales, bins, class weights) and stay those of this network's data, though
            the file has others.
        vectors: of tensors with a vector for each token, how many of them are taken over, and how many there are; where
            none is they are among the new ones too.
    """

    taken: tuple[str, ...]
    new: tuple[str, ...]
    misfits: tuple[str, ...]
    unused: tuple[str, ...]
    kept: tuple[str, ...] = ()
    vectors: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def random(self) -> set[str]:
        """The parameters that are not known from elsewhere, or not whole."""
        return {*self.new, *(name for name, (some, every) in self.vectors.items() if some < every)}

    def __str__(self) -> str:
        parts = [f"{len(self.taken)} tensors are taken over"]
        by_token = [f"{name} ({some} of {every} tokens)" for name, (some, every) in self.vectors.items()]
        lists = (("by token", by_token), ("new", self.new), ("of another shape", self.misfits), ("kept", self.kept))
        for what, names in (*lists, ("not used", self.unused)):
            parts += [f"{what}: {_listed(names)}"] if names else []
        return "; ".join(parts)


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a safetensors file; no number is read.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is of another kind: a pickle could run code and is not opened.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise NotFoundError(f"weights {str(path)!r} do not exist", expected="a .safetensors file")
    try:
        with safe_open(str(path), framework="np") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as cause:
        raise FormatError(
            f"{path} holds no safetensors",
            expected="weights as safetensors, which cannot run code",
            got=str(cause),
            hint="safetensors.torch.save_model(network, path) writes them, where the file comes from",
        ) from cause


def head_of(module: Any, named: str = "") -> str:
    """The part of a network that is specific to what it answers: its last layer.

    Args:
        module: a `torch.nn.Module`.
        named: the name of one of its modules, when the user says so.

    Returns:
        The name of a module: the one that was named; else the first one called `head`, `classifier`, `fc` or the
        like; else the last one that has parameters of its own. Empty where nothing has parameters.

    Raises:
        NotFoundError: no module has the name.
    """
    owners = [name for name, one in module.named_modules() if name and any(True for _ in one.parameters())]
    if named:
        if named not in owners:
            raise NotFoundError(
                f"{type(module).__name__} has no part {named!r} with weights",
                expected=f"one of {_listed(owners)}",
                hint=near(named, owners),
            )
        return named
    told = [name for name in owners if name.rpartition(".")[2] in _HEADS]
    own = [name for name, one in module.named_modules() if name and any(True for _ in one.parameters(recurse=False))]
    return min(told, key=lambda name: name.count(".")) if told else (own[-1] if own else "")


def is_under(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a tensor belongs to one of the modules that are named.

    Example:
        >>> is_under("network.0.weight", ["network.0"]), is_under("network.01.weight", ["network.0"])
        (True, False)
    """
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def backbone_of(module: Any, head: str) -> tuple[str, ...]:
    """Names of the parameters that are not of the head."""
    return tuple(name for name, _ in module.named_parameters() if not is_under(name, [head]))


def take(path: Path, module: Any, head: str, name: str = "", tokens: Sequence[int] | None = None) -> Taken:
    """Fill all of a network but its head with pretrained weights, as far as names and shapes agree.

    Names may differ by what stands in front of the first dot (`backbone.conv1.weight` and `conv1.weight`): the
    reading under which the most tensors fit is taken. Of tensors that are not trained (running means, bins and the
    like) those are taken of whose layer, or of a part of which, weights are; the data does not tell them again.

    Args:
        path: a safetensors file.
        module: a `torch.nn.Module`; it is changed.
        head: the name of the part that begins anew.
        name: of the weights, for people; by default that of the file.
        tokens: for each token id of the network's texts what the file has for it, -1 for nothing; None where both have
            the same ids, or rows are no texts. It says which rows of an embedding of that many tokens are taken.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it holds no safetensors.
        TrainingError: no tensor fits; the network is as it was.
    """
    from safetensors.torch import load_file

    shapes = shapes_in(path)
    current = {name: tuple(value.shape) for name, value in module.state_dict().items() if not is_under(name, [head])}
    sources = _renamed(shapes, current)
    trained = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    vectors = {} if tokens is None else _vectors(module, tokens, sources, shapes, current)
    fitting = {name for name in current if shapes.get(sources.get(name, "")) == current[name]} - set(vectors)
    weights = fitting & trained
    taken = weights | {name for name in fitting - trained if _goes_with(name.rpartition(".")[0], weights, head)}
    if not weights and not any(vectors.values()):
        raise TrainingError(
            f"no weights of {name or path.name} fit {type(module).__name__}",
            expected=_described(current),
            got=_described(shapes),
            hint="train the network that they were made with, or name its last layer by --head",
        )
    state = load_file(str(path))
    module.load_state_dict({name: state[sources[name]] for name in taken}, strict=False)
    own = module.state_dict()
    for one, rows in vectors.items():
        for ours, theirs in rows.items():
            own[one][ours] = state[sources[one]][theirs]
    _forget_rows(module, taken)
    kept = sorted(fitting - taken)
    counts = {one: (len(rows), current[one][0]) for one, rows in vectors.items()}
    partly = {one for one, rows in vectors.items() if rows}
    return replace(_told(module, taken | partly, sources, shapes, current), kept=tuple(kept), vectors=counts)


def _vectors(
    module: Any,
    tokens: Sequence[int],
    sources: Mapping[str, str],
    theirs: Mapping[str, tuple[int, ...]],
    ours: Mapping[str, tuple[int, ...]],
) -> dict[str, dict[int, int]]:
    """Tensors with a vector for each token: for those rows that are taken over, which row of the file they are."""
    from torch import nn

    found = {}
    for prefix, one in module.named_modules():
        name = f"{prefix}.weight".removeprefix(".")
        if isinstance(one, (nn.Embedding, nn.EmbeddingBag)) and one.num_embeddings == len(tokens) and name in ours:
            shape = theirs.get(sources.get(name, ""), ())
            fits = shape[1:] == ours[name][1:]
            found[name] = {row: token for row, token in enumerate(tokens) if fits and 0 <= token < shape[0]}
    return found


def _goes_with(prefix: str, weights: Iterable[str], head: str) -> bool:
    """Whether what a module keeps beside its weights is of these weights; what the whole network keeps is its own."""
    if not prefix or is_under(head, [prefix]):
        return any(name.rpartition(".")[0] == prefix for name in weights)
    return any(is_under(name, [prefix]) for name in weights)


def _forget_rows(module: Any, taken: set[str]) -> None:
    """Have a module ask no rows for what it has been given."""
    for prefix, one in module.named_modules():
        own = {f"{prefix}.{name}" for name, _ in one.named_buffers(recurse=False)}
        if own and own <= taken and getattr(one, "asks_for_rows", False):
            one.asks_for_rows = False


def _told(
    module: Any,
    taken: set[str],
    sources: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    current: Mapping[str, tuple[int, ...]],
) -> Taken:
    tensors = module.state_dict()
    filled = {tensors[name].data_ptr() for name in taken if tensors[name].numel()}
    new = [name for name, value in module.named_parameters() if name not in taken and value.data_ptr() not in filled]
    misfits = [
        f"{name}: {shapes[sources[name]]} and {current[name]}"
        for name in current
        if name in sources and name not in taken and shapes[sources[name]] != current[name]
    ]
    used = {sources[name] for name in taken}
    wrong = {sources[name] for name in current if name in sources}
    unused = [name for name in shapes if name not in used and name not in wrong]
    return Taken(tuple(sorted(taken)), tuple(new), tuple(misfits), tuple(unused))


def _renamed(theirs: Mapping[str, tuple[int, ...]], ours: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """For tensors of ours, the names in the file: as they are, or with another word in front."""
    readings = {("", "")} | {(a, b) for a in _fronts(theirs) for b in _fronts(ours)}
    best: dict[str, str] = {}
    most = -1
    for their_front, our_front in sorted(readings):
        found = {
            name: their_front + name.removeprefix(our_front)
            for name in ours
            if name.startswith(our_front) and their_front + name.removeprefix(our_front) in theirs
        }
        fitting = sum(theirs[source] == ours[name] for name, source in found.items())
        if fitting > most:
            best, most = found, fitting
    return best


def _fronts(names: Iterable[str]) -> set[str]:
    return {""} | {f"{name.partition('.')[0]}." for name in names if "." in name}


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _described(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return _listed(f"{name} {shape}" for name, shape in shapes.items() if shape)
