"""The trained network's own answers, by torch and scikit-learn: what every other path is compared with."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import PackagingError
from ..records import Data, Run
from .wanted import TAKEN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Form",
    "Head",
    "every_number",
    "form_of",
    "gives_probabilities",
    "levels_of",
    "network_probabilities",
    "outputs_of",
    "probabilities_of",
    "softmax",
    "stacked",
]

# What makes probabilities of what a network returns: nothing, softmax of logits, sigmoid of one logit for the second of
# two classes, its own probability of that one, or a sigmoid of a logit for each of several labels.
Head = Literal["", "softmax", "sigmoid", "pair", "sigmoids"]

_ROWS_AT_ONCE = 1024
# float32 sums of some hundred probabilities; logits are farther off than this on any real batch.
_SUM_TOLERANCE = 1e-3


def network_probabilities(run: Run, data: Data, part: str = "test") -> NDArray[np.float64]:
    """What the trained network says of one part of its data, without ONNX.

    Args:
        run: a run that ended with weights.
        data: the data it was trained on.
        part: `train`, `validation` or `test`.

    Returns:
        float64 [N, C]; of classes each row sums to 1, of labels each is a probability of its own, of a regression
        they are its numbers.
    """
    from ..data import features
    from ..models import load_trained

    network = load_trained(run.path)
    outputs = outputs_of(network, features(data, part)[0], data.width)
    return probabilities_of(outputs, form_of(network, data).head)


@dataclass(frozen=True)
class Form:
    """What a model on a loaded data set answers.

    Args:
        head: what makes it of what the network returns.
        names: of its outputs, a number for each row: those of a regression, or the probability of each label; none
            of a classification, whose only output are the probabilities of all classes.
        quantiles: name and level of each output that holds a quantile of every number.
    """

    head: Head
    names: tuple[str, ...] = ()
    quantiles: tuple[tuple[str, float], ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all outputs."""
        return (*self.names, *(name for name, _ in self.quantiles))

    def asked(self, network: Any, features: NDArray[Any], width: int) -> Any:
        """What a network answers to prepared features, as `of` gives it, with the quantiles float64 [N, width] each.

        Args:
            network: as the rest, see `outputs_of`.
            features: the rows.
            width: numbers of a row.
        """
        found: Any = self.of(outputs_of(network, features, width))
        if not self.quantiles:
            return found
        told = _quantiles_of(network, features, (width, len(self.quantiles)))
        return {**found, **{name: told[:, :, place] for place, (name, _) in enumerate(self.quantiles)}}

    def of(self, scores: NDArray[np.float64]) -> NDArray[np.float64] | dict[str, NDArray[np.float64]]:
        """The answers to rows with these scores, float64 [N, width], as the runtime gives them."""
        found = probabilities_of(scores, self.head)
        return dict(zip(self.names, found.T, strict=True)) if self.names else found


def form_of(network: Any, data: Data) -> Form:
    """What a network on a data set answers: whether it gives logits is seen by its answers to the validation part.

    Args:
        network: in eval mode.
        data: the data it was trained on.

    Raises:
        PackagingError: `forward` fails, or does not give one number per class, target or label.
    """
    from ..data import features

    rows = features(data, "validation")[0]
    scores = outputs_of(network, rows, data.width)
    if data.task == "classification":
        return Form("" if gives_probabilities(scores) else "softmax")
    columns = [column.name for column in data.columns]
    names = _free(data.targets or data.classes, columns)
    if data.task == "regression":
        levels = levels_of(network)
        told = _free([f"quantile_{level}" for level in levels], (*columns, *names))
        return Form("", names, tuple(zip(told, levels, strict=True)))
    if data.kind == "text":
        return Form("" if ((scores >= 0) & (scores <= 1)).all() else "sigmoids", names)
    # Far from its rows logits leave what probabilities never do.
    far = [outputs_of(network, rows * factor, data.width) for factor in (-1000, 1000)]
    return Form("" if all(((one >= 0) & (one <= 1)).all() for one in (scores, *far)) else "sigmoids", names)


def levels_of(network: Any) -> tuple[float, ...]:
    """The probabilities of the quantiles that a network gives beside its answers; none where it gives no interval.

    Args:
        network: one with quantiles has `levels`, ascending, and a method `quantiles`, from prepared features to
            [N, width, levels] numbers.
    """
    found = getattr(network, "levels", None)
    if not callable(getattr(network, "quantiles", None)) or not isinstance(found, (tuple, list)):
        return ()
    plain = all(isinstance(level, float) and 0 < level < 1 for level in found)
    return tuple(found) if plain and len(found) > 1 and sorted(set(found)) == list(found) else ()


def _free(wanted: Iterable[str], others: Collection[str]) -> tuple[str, ...]:
    """A name for each output: the wanted one, unless a line, an input or another output of the model is called so."""
    taken, names = {*TAKEN, *others}, []
    for name in wanted:
        while name in taken:
            name += "_"  # noqa: PLW2901 - until nothing is called so
        taken.add(name)
        names.append(name)
    return tuple(names)


def stacked(answers: Any) -> NDArray[np.float64]:
    """Answers of a runtime, probabilities or numbers by their names, as float64 [N, width], without quantiles."""
    import numpy as np

    if isinstance(answers, Mapping):
        answers = np.stack([values for values in answers.values() if values.ndim == 1], axis=1)
    return np.asarray(answers).astype(np.float64)


def every_number(answers: Any) -> NDArray[np.float64]:
    """As `stacked`, with the quantiles behind the answers."""
    import numpy as np

    if isinstance(answers, Mapping):
        answers = np.concatenate([values.reshape(len(values), -1) for values in answers.values()], axis=1)
    return np.asarray(answers).astype(np.float64)


def outputs_of(network: Any, features: NDArray[Any], width: int) -> NDArray[np.float64]:
    """What `forward` returns for prepared features.

    Args:
        network: a module in eval mode.
        features: float32 [N, *feature_shape], or token ids int64 [N, L].
        width: number of classes, targets or labels C.

    Returns:
        float64 [N, C]: logits, probabilities or numbers.

    Raises:
        PackagingError: `forward` fails, or returns something else.
    """
    import numpy as np
    import torch

    name = type(network).__name__
    try:
        with torch.no_grad():
            parts = [network(torch.from_numpy(part)) for part in _batches(features)]
    except Exception as cause:
        raise PackagingError(
            f"forward of {name} fails on prepared rows of shape {list(features.shape[1:])}",
            got=f"{type(cause).__name__}: {cause}",
        ) from cause
    if width == 1:
        parts = [part[:, None] if isinstance(part, torch.Tensor) and part.ndim == 1 else part for part in parts]
    odd = [part for part in parts if not isinstance(part, torch.Tensor) or part.ndim != 2 or part.shape[1] != width]
    if odd:
        shape = list(odd[0].shape) if isinstance(odd[0], torch.Tensor) else type(odd[0]).__name__
        raise PackagingError(
            f"forward of {name} does not give one value per class, target or label",
            expected=f"a tensor [rows, {width}] of logits, probabilities or numbers",
            got=f"{shape} for {min(len(features), _ROWS_AT_ONCE)} rows",
            hint="return the logits from forward",
        )
    values: NDArray[np.float64] = torch.cat(parts).double().numpy()
    if not np.isfinite(values).all():
        raise PackagingError(
            f"{name} gives NaN or infinity on {int((~np.isfinite(values)).any(axis=1).sum())} of {len(values)} rows",
            hint="train again with a smaller learning rate",
        )
    return values


def _quantiles_of(network: Any, features: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The quantiles of the answers to prepared features, float64 [N, *shape]."""
    import torch

    name = type(network).__name__
    try:
        with torch.no_grad():
            found = torch.cat([network.quantiles(torch.from_numpy(part)) for part in _batches(features)])
        values: NDArray[np.float64] = found.double().numpy()
    except Exception as cause:
        got = f"{type(cause).__name__}: {cause}"
        raise PackagingError(f"quantiles of {name} fails on prepared rows", got=got) from cause
    if values.shape != (len(features), *shape) or not abs(values).max(initial=0.0) < math.inf:
        raise PackagingError(
            f"quantiles of {name} does not give a quantile of each number for each level",
            expected=f"finite numbers [rows, {shape[0]}, {shape[1]}]",
            got=f"{list(values.shape)} for {len(features)} rows",
        )
    return values


def gives_probabilities(outputs: NDArray[np.float64]) -> bool:
    """Whether rows already are probabilities, so that no softmax is wanted.

    Example:
        >>> import numpy as np
        >>> gives_probabilities(np.array([[0.25, 0.75], [1.0, 0.0]])), gives_probabilities(np.array([[0.2, 0.3]]))
        (True, False)
    """
    return bool((outputs >= 0).all() and (abs(outputs.sum(axis=1) - 1) <= _SUM_TOLERANCE).all())


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits, row by row."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def probabilities_of(scores: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    """Probabilities, float64 [N, C], of what a network returns.

    Args:
        scores: float64 [N, C], or [N] or [N, 1] where `head` makes two classes of one number.
        head: what makes probabilities of them.

    Example:
        >>> import numpy as np
        >>> probabilities_of(np.array([[0.0], [800.0]]), "sigmoid").tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """
    import numpy as np

    if head in ("", "softmax"):
        return softmax(scores) if head else scores
    if head == "sigmoids":
        return (1 + np.tanh(scores / 2)) / 2
    one = scores.reshape(len(scores))
    # The same as 1 / (1 + exp(-x)), for numbers of any size.
    second = one if head == "pair" else (1 + np.tanh(one / 2)) / 2
    return np.stack([1 - second, second], axis=1)


def _batches(features: NDArray[Any]) -> list[NDArray[Any]]:
    return [features[start : start + _ROWS_AT_ONCE] for start in range(0, max(len(features), 1), _ROWS_AT_ONCE)]
