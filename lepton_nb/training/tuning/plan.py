"""How a study was asked for: `study.json`, and beside it what only a process of the same user can rebuild."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import data
from ...errors import ConflictError, FormatError
from ...models import Spec, pack, unpack, written
from ...records import Data, Objective, plain
from ...workspace import Workspace, read_json, write_atomic, write_json
from ..job import ship_loaders
from ..options import Fit
from ..sources import Loaders
from .dimensions import Space
from .methods import Pruner, Sampler
from .settings import Settings

__all__ = ["PLAN", "Asked", "Plan"]

PLAN = "study.json"
_OBJECTS = "objects.pkl"


@dataclass(frozen=True)
class Plan:
    """What `study.json` says.

    Args:
        name: of the study.
        network: for people.
        zoo: the network's name, where it is one of the zoo.
        data: hash of the data set, or of the loaders that were shipped.
        data_name: for people.
        loaders: kind of the loaders; empty for a data set of the workspace.
        fit: how to fit, what is the same in all trials.
        lr: learning rate of all trials; None leaves it to the network.
        options: arguments of the network, the same in all trials, as JSON can hold them.
        space: the dimensions; None where a function of the notebook tells them.
        objectives: name and direction of each.
        sampler: chooses what is tried.
        pruner: chooses what is stopped early.
        seed: of the sampler.
        source: hash of what the network's class and the space's function are.
        on: `local`, or `ray`.
        cwd: the notebook's folder.
        sys_path: where the notebook finds what it imports.
        created: seconds since the epoch.
        trials: how many are wanted.
        jobs: how many train at a time; 0 is as many as there are processors or GPUs.
        storage: URL of Optuna's storage; empty for the study's own file.
    """

    name: str
    network: str
    zoo: str
    data: str
    data_name: str
    loaders: str
    fit: Mapping[str, Any]
    lr: float | None
    options: Mapping[str, Any]
    space: Sequence[Mapping[str, Any]] | None
    objectives: Sequence[Sequence[str]]
    sampler: Sampler
    pruner: Pruner
    seed: int
    source: str
    on: str
    cwd: str
    sys_path: Sequence[str]
    created: float
    trials: int
    jobs: int = 0
    storage: str = ""

    @property
    def wanted(self) -> tuple[Objective, ...]:
        """The objectives."""
        return tuple(Objective(name, "max" if turn == "max" else "min") for name, turn in self.objectives)

    def fingerprint(self) -> str:
        """A hash of what makes two studies the same, whatever they are called."""
        free = {"name", "data_name", "cwd", "sys_path", "created", "trials", "jobs", "storage"}
        body = {name: value for name, value in plain(self).items() if name not in free}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Write it into the study's folder."""
        write_json(folder / PLAN, plain(self), mode=0o600)

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan of a study's folder.

        Raises:
            FileNotFoundError: there is none.
            FormatError: the file is broken.
        """
        body = read_json(folder / PLAN)
        body.pop("format")
        try:
            return cls(**body)
        except TypeError as cause:
            raise FormatError(f"{folder / PLAN} is not readable", expected="a study", got=str(cause)) from cause

    def refuse_other(self, other: Plan) -> None:
        """Refuse to go on with a study under this name that is another one.

        Raises:
            ConflictError: it is.
        """
        if self.fingerprint() == other.fingerprint():
            return
        mine, theirs = plain(self), plain(other)
        names = ("network", "zoo", "data", "fit", "lr", "options", "space", "objectives", "sampler", "pruner", "seed")
        differing = [name for name in (*names, "source", "on") if mine[name] != theirs[name]]
        raise ConflictError(
            f"study {self.name!r} is there and was asked for otherwise",
            got=f"another {', '.join(differing)}",
            hint=f"--name for a new study, or lepton resume {self.name} for the one that is there",
        )


@dataclass(frozen=True)
class Asked:
    """What a plan needs that JSON cannot hold.

    Args:
        net: a network's name, or a LightningModule class or instance.
        source: what it is fitted to.
        base: what is the same in all trials.
        space: gives the values of a trial.
        callbacks: Lightning callbacks of the notebook's own.
    """

    net: Any
    source: Data | Loaders
    base: Settings
    space: Callable[[Any], Any]
    callbacks: Sequence[Any] = field(default_factory=tuple)

    def write(self, ws: Workspace, folder: Path) -> None:
        """Put into the study's folder what is found nowhere else.

        Raises:
            UsageError: something cannot be sent.
        """
        ship_loaders(folder, self.source)
        function = None if isinstance(self.space, Space) else self.space
        net = None if isinstance(self.net, str) else self.net
        # Where an agent acts; loaders of another kind are shipped already, or are the network's.
        place = self.source.value if isinstance(self.source, Loaders) and self.source.kind == "own" else None
        if net is None and function is None and place is None and not self.callbacks and not self.base.options:
            return
        parts = (net, function, dict(self.base.options), list(self.callbacks), place)
        (folder / "objects").mkdir(mode=0o700, exist_ok=True)
        write_atomic(folder / "objects" / _OBJECTS, pack(parts, "the study"), mode=0o600)

    @classmethod
    def read(cls, ws: Workspace, plan: Plan, folder: Path) -> Asked:
        """What `write` has written; what a pickle names must be importable by now.

        Raises:
            FormatError: it cannot be rebuilt here.
            NotFoundError: the data set is gone.
        """
        path = folder / "objects" / _OBJECTS
        packed = unpack(path) if path.exists() else (None, None, {}, [])
        # Studies of before have no place.
        net, function, options, callbacks, place = packed if len(packed) > 4 else (*packed, None)
        if plan.loaders:
            value = place if plan.loaders == "own" else unpack(folder / "data" / "loaders.pkl")
            source: Data | Loaders = Loaders(plan.loaders, plan.data_name, value)
        else:
            source = data.find(ws, plan.data)
        base = Settings(Fit(**plan.fit), plan.lr, options)
        space = function if plan.space is None else Space.from_dict(list(plan.space))
        return cls(plan.zoo or net, source, base, space, callbacks)

    def digest(self, spec: Spec) -> str:
        """A hash of the code of the network's class and of the function; empty where there is neither."""
        texts = [] if spec.kind == "zoo" else [written(spec).text or repr(spec.source)]
        if not isinstance(self.space, Space):
            texts.append(_code_of(self.space))
        return hashlib.sha256("\n".join(texts).encode()).hexdigest() if texts else ""


def _code_of(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return repr((code.co_code, code.co_names, code.co_varnames)) if code else repr(type(function))
