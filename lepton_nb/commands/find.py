"""What a word of a verb means: a variable of the notebook, or something stored."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from difflib import get_close_matches
from inspect import getattr_static
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import DataError, NotFoundError, ServingError
from ..records import Bento, Data, Run, Study
from ..runtime import Input
from ..workspace import Workspace
from .host import current_host

__all__ = [
    "bento_of",
    "callbacks_of",
    "data_of",
    "named",
    "network_of",
    "options_of",
    "rows_of",
    "run_of",
    "source_of",
    "study_of",
    "table_of",
    "training_data_of",
    "weights_of",
]


def source_of(value: object) -> object:
    """The notebook's variable of that name, else `value` itself.

    Text is not looked up twice: a variable that holds text is meant by `$name`, so that a name of something
    stored is never shadowed by it.
    """
    return named(value, object)


def _meant(ws: Workspace, value: object) -> object:
    """As `source_of`, but a variable that rows cannot come from, a number or a module, hides no data of its name."""
    from .. import data

    found = source_of(value)
    if isinstance(value, str) and (found is None or isinstance(found, (Number, ModuleType))):
        if data.is_builtin(value):
            return value
        with contextlib.suppress(NotFoundError):
            return data.find(ws, value)
    return found


def named(value: object, *kinds: type) -> object:
    """The notebook's variable called `value` when it is one of `kinds` and no text, else `value` itself."""
    host = current_host()
    if not isinstance(value, str) or not host.knows(value):
        return value
    found = host.resolve(value)
    return found if isinstance(found, kinds) and not isinstance(found, str) else value


def data_of(ws: Workspace, value: object, target: str | None = None) -> Data:
    """A data handle from a handle, a hash, a name, a file, a folder of pictures, a query, a DataFrame or arrays."""
    from .. import data

    value = _meant(ws, value)
    if isinstance(value, Data):
        return value
    if isinstance(value, (str, Path)) and not data.is_source(str(value)):
        try:
            return data.find(ws, str(value))
        except NotFoundError:
            if not data.is_builtin(str(value)) and not Path(value).is_dir():
                raise
    return data.load(ws, value, target=target, choices=data.Choices(tables=table_of))


def table_of(name: str) -> Any:
    """The notebook's DataFrame or Arrow table of that name, for a query; None when there is none."""
    host = current_host()
    if not host.knows(name):
        return None
    found = host.resolve(name)
    # An Arrow table and a pandas DataFrame have both; looked up so that no code of a variable's own is run.
    kind = type(found)
    return found if hasattr(kind, "columns") and (hasattr(kind, "dtypes") or hasattr(kind, "schema")) else None


def run_of(ws: Workspace, value: object) -> Run:
    """A run from a run, an id, a unique prefix, a name or `last`; of a study its best one.

    Raises:
        NotFoundError: there is none.
    """
    value = named(value, Run, Study)
    if isinstance(value, Run):
        return value
    if isinstance(value, Study) and not value.run:
        raise NotFoundError(f"study {value.name} has no best run yet", hint=f"lepton tune show {value.name}")
    value = value.run if isinstance(value, Study) else value
    from .. import tracking

    return tracking.get(ws, str(value))


def weights_of(ws: Workspace, value: object) -> tuple[str, Path | None]:
    """Pretrained weights from a hub, a run or a safetensors file: how people call them, and where they lie.

    Raises:
        NotFoundError: there are none of that name.
        FormatError: they are no safetensors.
    """
    from .. import models

    value = named(value, Run)
    if value is None or value == "":
        return "", None
    if isinstance(value, str) and models.is_on_hub(value):
        name, path = value, models.fetch_weights(value)
    elif isinstance(value, Path) or (isinstance(value, str) and _is_file(ws, value)):
        name, path = Path(str(value)).name, Path(str(value)).expanduser()
    else:
        run = run_of(ws, value)
        name, path = f"run {run.name}", run.path / "weights.safetensors"
    models.shapes_in(path)
    return name, path


def _is_file(ws: Workspace, text: str) -> bool:
    """Whether a text names a file of weights; a run may be called `v1.2`."""
    from .. import tracking

    return bool(Path(text).suffix or Path(text).is_file()) and tracking.find(ws, text) is None


def study_of(ws: Workspace, value: object) -> Study | None:
    """A study from a study or its name; None when it names none, and may be a run."""
    value = named(value, Run, Study)
    if isinstance(value, Run):
        return None
    from .. import training

    return training.study_of(ws, str(value)) if training.is_study(ws, str(value)) else None


def training_data_of(ws: Workspace, network: object, data: object, target: str | None) -> Any:
    """What a network is fitted to: a loaded data set, loaders of the notebook's own, or an environment."""
    from .. import models, training

    value = _meant(ws, data)
    if models.is_environment(value) or models.is_agent(network):
        return models.environment(value)
    return value if value is None or training.travels(value) else data_of(ws, value, target)


def callbacks_of(names: tuple[object, ...]) -> list[object]:
    """Lightning callbacks by the names that the notebook has for them."""
    from .. import models

    host = current_host()
    found = [host.resolve(name) if isinstance(name, str) else name for name in names]
    for one in found:
        models.require_callback(one)
    return [one() if isinstance(one, type) else one for one in found]


def bento_of(ws: Workspace, value: object) -> Bento:
    """A Bento that answers requests, from a Bento, a tag, a name (latest) or a run that was packaged.

    Raises:
        ServingError: it holds a network's source.
    """
    found = _bento(ws, value)
    if found.code:
        raise ServingError(
            f"Bento {found.tag} cannot be asked: it holds the source of a network that ONNX cannot express",
            expected="a Bento with a model.onnx, which the runtime serves without torch",
            hint=f"lepton_nb.load_model('{found.tag}') runs its source and gives the network",
        )
    return found


def _bento(ws: Workspace, value: object) -> Bento:
    value = named(value, Bento, Run)
    if isinstance(value, Bento):
        return value
    from .. import packaging

    if isinstance(value, Run):
        return packaging.of_run(ws, value)
    try:
        return packaging.find(ws, str(value))
    except NotFoundError as missing:
        try:
            return packaging.of_run(ws, run_of(ws, value))
        except NotFoundError:
            raise missing from None


def network_of(value: object) -> object:
    """A network from a name of the zoo, a LightningModule class or instance, or the name of one.

    Raises:
        NotFoundError: nothing has that name.
        UsageError: it is no LightningModule.
    """
    from .. import models

    host = current_host()
    if isinstance(value, str) and (host.knows(value) or ":" in value):
        value = host.resolve(value)
    if not isinstance(value, str):
        models.require_lightning(value)
    elif value not in models.names():
        # What can be trained has a training step; looked up so that no code of a variable's own is run.
        own = [name for name in host.names() if getattr_static(host.resolve(name), "training_step", None)]
        near = {name.lower(): name for name in (*models.names(), *own)}
        meant = get_close_matches(value.lower(), near, n=1)
        raise NotFoundError(
            f"no network is called {value!r}",
            expected=f"{', '.join(models.names())}, a LightningModule of this notebook, or package.module:Class",
            hint=f"did you mean {near[meant[0]]}?" if meant else "",
        )
    return value


def options_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` pairs with typed values.

    Example:
        >>> options_of(("hidden=[64, 32]", "dropout=0.1"))
        {'hidden': [64, 32], 'dropout': 0.1}

    Raises:
        UsageError: a pair has no `=`.
    """
    from .. import pipelines

    return dict(pipelines.parse_assignment(pair) for pair in pairs)


def rows_of(ws: Workspace, value: object, part: str, columns: Sequence[Input]) -> Any:
    """Inputs to predict, in the form a model was trained on.

    Args:
        ws: the workspace.
        value: a file, a DataFrame or an array, whose other columns (such as the target) are left aside; a loaded
            data set; a list of row objects, or a .json file of them; of a model of one text also a text, or several in
            a list.
        part: which rows of a loaded data set.
        columns: what the model takes.

    Raises:
        NotFoundError: the file, or the data set, does not exist.
        DataError: the rows cannot be read, or are not what the model takes.
    """
    from .. import data

    value = _meant(ws, value)
    if isinstance(value, (str, Path)) and Path(value).suffix.lower() == ".json":
        value = _rows_of_json(Path(value))
    if len(columns) == 1 and columns[0].kind == "text" and (texts := _texts(value)):
        return [{columns[0].name: text} for text in texts]
    if isinstance(value, Data) or (isinstance(value, str) and not data.is_source(value)):
        return data.read(data_of(ws, value), part)[0]
    return value if isinstance(value, (list, dict)) else data.inputs_of(value, columns, ws.root)


def _texts(value: object) -> list[str]:
    """The texts that a value is; none where it is something else, such as the name of a data set."""
    from .. import data

    if isinstance(value, str):
        # A single word may be the name of a data set, and says so when there is none.
        return [value] if len(value.split()) > 1 and not data.is_source(value) else []
    return value if isinstance(value, list) and all(isinstance(one, str) for one in value) else []


def _rows_of_json(path: Path) -> Any:
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist", expected="a .csv, .parquet or .json file")
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as cause:
        raise DataError(
            f"{path} is not JSON", expected='a list of row objects, or {"rows": [...]}', got=str(cause)
        ) from cause
    return rows.get("rows", rows) if isinstance(rows, dict) else rows
