"""From the network that the user named, and what the data tells, to what is trained."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError, near
from .catalog import ZOO
from .rl import Environment, defaults, environment
from .spec import Spec, require_lightning
from .zoo import check, is_agent, options_of, refuse_texts, told

__all__ = ["arguments", "asks_for_shapes", "specify", "specify_agent", "usual"]

_RATES = ("lr", "learning_rate")

# What the data can tell a network, by the names that signatures have for it.
_FEATURES = ("in_features", "input_dim", "input_size", "n_features", "num_features")

_CHANNELS = ("in_channels", "input_channels", "channels")

_ROW = ("input_shape", "in_shape", "feature_shape", "data_shape")

_CLASSES = (
    "num_classes", "n_classes", "classes", "num_labels", "out_features", "output_dim", "output_size", "n_outputs"
)  # fmt: skip

_VOCABULARY = ("vocabulary", "vocab_size", "vocabulary_size", "num_embeddings", "num_tokens", "n_tokens")

_SHAPES = frozenset((*_FEATURES, *_CHANNELS, *_ROW, *_CLASSES))


def asks_for_shapes(net: Any) -> bool:
    """Whether a network must know the shape of a row, or the number of classes, before it can be built."""
    return isinstance(net, str) or (isinstance(net, type) and not _SHAPES.isdisjoint(inspect.signature(net).parameters))


def arguments(net: Any) -> tuple[str, ...] | None:
    """The names of what a network can be built with.

    Args:
        net: a name of the zoo, or a LightningModule class or instance, which is built already.

    Returns:
        None for a class that takes any.
    """
    if not isinstance(net, type):
        return options_of(net) if isinstance(net, str) else ()
    parameters = inspect.signature(net).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return tuple(one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))


def specify(
    net: Any,
    feature_shape: Sequence[int] | None,
    classes: int | None,
    options: Mapping[str, Any],
    lr: float | None = None,
    *,
    task: str = "",
    about: Mapping[str, Any] | None = None,
) -> Spec:
    """What to train, from what the user named.

    A class gets the arguments that its signature asks for by one of these names, unless `options` gives
    them: `in_features`, `input_dim`, `input_size`, `n_features`, `num_features` (numbers per row);
    `in_channels`, `input_channels`, `channels` (the first dimension of an image); `input_shape`,
    `in_shape`, `feature_shape`, `data_shape`; `num_classes`, `n_classes`, `classes`, `out_features`,
    `output_dim`, `output_size`, `n_outputs`, `num_labels`; of texts `vocabulary`, `vocab_size`, `vocabulary_size`,
    `num_embeddings`, `num_tokens`, `n_tokens`; and `lr` or `learning_rate` when a rate is given.

    Args:
        net: a name of the zoo, or a LightningModule class or instance.
        feature_shape: shape of one row as the network sees it; None when it is not known.
        classes: number of classes, targets or labels; None when it is not known.
        options: the network's own arguments.
        lr: learning rate; None leaves it to the network.
        task: what the data asks for; empty when that is not known.
        about: what else the data tells a network that has such options; `texts` is False where it has none.

    Raises:
        UsageError: it is none of these, or cannot take such options.
    """
    known, given = _known(feature_shape, classes), dict(options)
    if about and "vocabulary" in about:
        known |= dict.fromkeys(_VOCABULARY, about["vocabulary"])
    shape, classes = tuple(feature_shape or ()), classes or 0
    if isinstance(net, str):
        return _of_zoo(net, shape, classes, given | ({} if lr is None else {"lr": lr}), task, about or {})
    require_lightning(net)
    if isinstance(net, type):
        return Spec("class", net.__name__, shape, classes, _arguments(net, known, given, lr), net)
    return Spec("instance", type(net).__name__, shape, classes, _attributes(net, given, lr), net)


def _of_zoo(
    net: str, shape: tuple[int, ...], classes: int, given: dict[str, Any], task: str, about: Mapping[str, Any]
) -> Spec:
    if is_agent(net):
        hint = "--data maze:8x8, or --data gym:CartPole-v1"
        raise UsageError(f"{net} learns from an environment, and not from rows", hint=hint)
    if not shape or not classes:
        raise UsageError(
            f"{net} cannot be built for this data",
            expected="data whose rows have one shape and whose targets are classes",
            hint="load it with lepton data load, or pass a LightningModule",
        )
    if "vocabulary" in about:
        refuse_texts(net)
    elif about.get("texts") is False and given.get("vocabulary") and "vocabulary" in told(net):
        raise UsageError(
            f"{net}: a vocabulary is one of texts",
            got="rows of numbers",
            hint="leave vocabulary out, or load the texts with lepton data load FILE --target NAME --text COLUMN",
        )
    for name in ZOO[net].fixed if net in ZOO else ():
        if name in about and name in given and given[name] != about[name]:
            raise UsageError(
                f"{net}: {name} {given[name]} is not that of the data",
                expected=f"{name} {about[name]}",
                hint=f"leave {name} out, or load the data with another one",
            )
    given = {name: value for name, value in about.items() if name in told(net)} | given
    check(net, shape, given, task, classes if task else 0)
    return Spec("zoo", net, shape, classes, given, task=task or "classification")


def specify_agent(net: str, environment: Environment, options: Mapping[str, Any], lr: float | None = None) -> Spec:
    """What to train in an environment.

    Args:
        net: a name of the zoo, of an agent.
        environment: where it acts.
        options: its own arguments.
        lr: learning rate; None leaves it to the agent.

    Raises:
        UsageError: it is no agent, or cannot take such options.
    """
    if not is_agent(net):
        told = net if isinstance(net, str) else getattr(net, "__name__", type(net).__name__)
        raise UsageError(
            f"{told} does not learn from an environment",
            expected="a network that acts, dqn",
            got=f"the environment {environment}",
            hint=f"lepton train dqn --data {environment}",
        )
    given = {**options, **({} if lr is None else {"lr": lr})}
    if "environment" in given:
        raise UsageError(f"the environment of {net} is no argument of it", hint="--data maze:8x8")
    check(net, environment.feature_shape, given)
    given["environment"] = environment.name
    given["batch"] = defaults(environment.feature_shape, given, environment.actions)["batch"]
    return Spec("zoo", net, environment.feature_shape, len(environment.actions), given, environment.source)


def usual(name: str, options: Mapping[str, Any]) -> Spec:
    """A network of the zoo for rows of a usual size, to be looked at.

    Args:
        name: of the network.
        options: its own arguments.

    Raises:
        UsageError: it cannot take such options.
    """
    if is_agent(name):
        return specify_agent(name, environment("maze:8x8"), options)
    rows = ZOO[name].usual
    about = {option: value for option, value in rows.told.items() if option not in options}
    return specify(name, rows.shape, rows.classes, options, task=rows.task, about=about)


def _arguments(kind: type, known: Mapping[str, Any], given: dict[str, Any], lr: float | None) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    legal = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for option in given:
        if option not in legal and not takes_any:
            raise UsageError(
                f"{kind.__name__} has no argument {option!r}",
                expected=f"one of {', '.join(legal)}",
                hint=near(option, legal),
            )
    filled = {name: known[name] for name in legal if name in known} | given
    if lr is not None:
        filled[_rate_of(legal, f"{kind.__name__}'s arguments")] = lr
    lacking = [n for n in legal if parameters[n].default is inspect.Parameter.empty and n not in filled]
    if lacking:
        raise UsageError(
            f"{kind.__name__} needs {', '.join(lacking)}",
            expected=f"options, or arguments filled in from the data: {', '.join(known) or 'none for this data'}",
            hint=f"pass {lacking[0]} as an option, or give it a default",
        )
    return filled


def _attributes(net: Any, given: dict[str, Any], lr: float | None) -> dict[str, Any]:
    if given:
        raise UsageError(
            f"{type(net).__name__} is built already and takes no options",
            got=", ".join(given),
            hint="pass the class itself, or build the instance with them",
        )
    return {} if lr is None else {_rate_of(list(vars(net)), f"{type(net).__name__}'s attributes"): lr}


def _rate_of(names: Sequence[str], where: str) -> str:
    found = [name for name in _RATES if name in names]
    if not found:
        raise UsageError(f"no learning rate is among {where}", expected=" or ".join(_RATES), hint="leave lr out")
    return found[0]


def _known(shape: Sequence[int] | None, classes: int | None) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if shape is not None:
        known |= dict.fromkeys(_FEATURES, math.prod(shape)) | dict.fromkeys(_ROW, tuple(shape))
        known |= dict.fromkeys(_CHANNELS, shape[0]) if len(shape) > 1 else {}
    return known | (dict.fromkeys(_CLASSES, classes) if classes is not None else {})
