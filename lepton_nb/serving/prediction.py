"""Asking a model: over HTTP from a deployment, or in this process from a Bento."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import DataError, ServingError
from ..records import Bento, Deployment, Predictions
from ..runtime import ModelError, RequestError, Signature, uuid7
from ..workspace import Workspace
from .deployed import get

if TYPE_CHECKING:
    import httpx
    import pandas as pd

    Inputs = Sequence[Mapping[str, Any]] | Mapping[str, Any] | pd.DataFrame

__all__ = ["predict", "predict_bento", "rows_of"]

_CHUNK_ROWS = 500
# Under the server's default limit of 10 MiB, headers and all.
_CHUNK_BYTES = 8 * 1024 * 1024
_TIMEOUT_S = 60.0


def predict(ws: Workspace, deployment: Deployment, inputs: Inputs) -> Predictions:
    """Ask a deployment over HTTP; what it answers is on its prediction log.

    Args:
        ws: the workspace.
        deployment: the one to ask; it is looked up again, for it may have been served anew.
        inputs: rows as objects, a DataFrame, or one array per input; None and NaN are missing values.

    Returns:
        One answer per row, in order.

    Raises:
        DataError: the inputs are not rows, or the server refused one; the message names row and field.
        ServingError: the deployment does not run, cannot be reached, or failed.
    """
    import httpx

    deployment = get(ws, deployment.name)
    if deployment.status != "running":
        raise ServingError(
            f"deployment {deployment.name!r} is {deployment.status}", got=deployment.cause, hint="lepton serve BENTO"
        )
    answers: list[dict[str, Any]] = []
    version = ""
    try:
        # One key, so that one version answers all of it.
        headers = {"authorization": f"Bearer {deployment.token_file.read_text().strip()}", "lepton-key": uuid7()}
        # Loopback is never asked through a proxy.
        with httpx.Client(base_url=deployment.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
            signature = Signature.from_dict(_answer(client.get("/signature"), deployment))
            for body in _bodies(rows_of(inputs, signature)):
                answer = _answer(_post(client, body), deployment, len(answers))
                version = answer["version"]
                answers += answer["predictions"]
    except (httpx.HTTPError, OSError, ModelError) as cause:
        raise ServingError(
            f"deployment {deployment.name!r} at {deployment.url} cannot be asked",
            got=f"{type(cause).__name__} {cause}",
            hint="lepton deployments",
        ) from cause
    ids = tuple(one["id"] for one in answers)
    if not signature.is_classification:
        return Predictions(version, ids, outputs=tuple(one["outputs"] for one in answers))
    return Predictions(
        model=version,
        ids=ids,
        labels=tuple(one["label"] for one in answers),
        probabilities=tuple(tuple(one["probabilities"]) for one in answers),
        classes=signature.classes,
    )


def predict_bento(bento: Bento, inputs: Inputs) -> Predictions:
    """Ask a Bento's model in this process; no server, no log.

    Args:
        bento: what to ask.
        inputs: as for `predict`.

    Returns:
        One answer per row, in order, without ids.

    Raises:
        DataError: the inputs are not rows of this model; the message names row and field.
        ServingError: the Bento's model cannot be loaded, or fails.
    """
    from ..runtime.answers import values_of
    from ..runtime.finite import refuse_not_finite
    from ..runtime.model import Model
    from ..runtime.rows import arrays_of

    try:
        model = Model.load(bento.model)
    except ModelError as cause:
        raise ServingError(f"{bento.tag} cannot be asked", got=str(cause), hint="package the run again") from cause
    rows = rows_of(inputs, model.signature)
    answers: list[dict[str, Any]] = []
    for first in range(0, len(rows), _CHUNK_ROWS):
        try:
            arrays = arrays_of(rows[first : first + _CHUNK_ROWS], model.signature)
            answer = model.predict(arrays)
            refuse_not_finite(answer, arrays, model.signature)
        except RequestError as fault:
            if fault.status not in (400, 422):
                raise ServingError(f"{bento.tag} failed", got=fault.message, hint="train and package again") from fault
            _refused(fault.message, fault.row, first)
        answers += values_of(answer, model.signature)
    if not model.signature.is_classification:
        return Predictions(bento.tag, (), outputs=tuple(one["outputs"] for one in answers))
    probabilities = tuple(tuple(one["probabilities"]) for one in answers)
    return Predictions(bento.tag, (), tuple(one["label"] for one in answers), probabilities, model.signature.classes)


def rows_of(inputs: Inputs, signature: Signature) -> list[dict[str, Any]]:
    """Rows as JSON has them, from rows, a DataFrame or one array per input.

    Args:
        inputs: as for `predict`. Truth values and integers in a column are the text of a category where the model
            takes one, as they were when the data was loaded; rows are taken as they are.
        signature: what the model takes.

    Raises:
        DataError: they are none of these, of unequal length, or empty.

    Example:
        >>> from lepton_nb.runtime import Input
        >>> color = Signature("classification", ("a", "b"), (Input("x", "number"), Input("color", "category")))
        >>> rows_of({"x": [1.5, float("nan")], "color": ["red", None]}, color)
        [{'x': 1.5, 'color': 'red'}, {'x': None, 'color': None}]
        >>> rows_of({"x": [1], "color": [True]}, color)
        [{'x': 1, 'color': 'True'}]
    """
    # A DataFrame is recognised by what it has: pandas is not imported to ask.
    by_column: Any = inputs if isinstance(inputs, Mapping) or hasattr(inputs, "columns") else None
    if by_column is not None:
        texts = {one.name for one in signature.inputs if one.kind == "category"}
        rows = _rows_of_columns([(str(name), _listed(values, name in texts)) for name, values in by_column.items()])
    elif isinstance(inputs, Sequence) and all(isinstance(row, Mapping) for row in inputs):
        rows = [{str(name): _plain(value) for name, value in row.items()} for row in inputs]
    else:
        raise DataError(
            "the inputs are not rows",
            expected="a list of {column: value}, a DataFrame, or one array per input",
            got=type(inputs).__name__,
        )
    if not rows:
        raise DataError("there are no rows to predict", expected="at least one")
    return rows


def _rows_of_columns(columns: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    names = [name for name, _ in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"column {twice[0]!r} is there twice", expected="one column per input")
    lengths = {name: len(values) for name, values in columns}
    if len(set(lengths.values())) > 1:
        raise DataError("the inputs differ in length", expected="one value per row in each", got=str(lengths))
    return [dict(zip(names, row, strict=True)) for row in zip(*(values for _, values in columns), strict=True)]


def _listed(values: Any, as_text: bool) -> list[Any]:
    plain = [_plain(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]
    return [str(value) if isinstance(value, int) else value for value in plain] if as_text else plain


def _plain(value: Any) -> Any:
    """`value` as JSON has it; a missing scalar is None, and pandas' own markers of one are too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


def _bodies(rows: list[dict[str, Any]]) -> Iterator[bytes]:
    """Request bodies of at most `_CHUNK_ROWS` rows and, where rows can be parted, `_CHUNK_BYTES`."""
    for first in range(0, len(rows), _CHUNK_ROWS):
        yield from _halved(rows[first : first + _CHUNK_ROWS])


def _halved(rows: list[dict[str, Any]]) -> Iterator[bytes]:
    import orjson

    try:
        body = orjson.dumps({"rows": rows})
    except orjson.JSONEncodeError as cause:
        raise DataError("a row is not JSON", expected="numbers, text, lists or None", got=str(cause)) from cause
    if len(body) <= _CHUNK_BYTES or len(rows) == 1:
        yield body
    else:
        yield from _halved(rows[: len(rows) // 2])
        yield from _halved(rows[len(rows) // 2 :])


def _post(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/predict", content=body, headers={"content-type": "application/json"})


def _answer(response: httpx.Response, deployment: Deployment, first: int = 0) -> dict[str, Any]:
    """The answer's object, or the error that its status means."""
    try:
        value: dict[str, Any] = response.json()
        if response.is_success:
            return value
        fault = value["error"]
        message, row = str(fault["message"]), fault.get("row")
    except (ValueError, KeyError, TypeError) as cause:
        raise ServingError(f"{deployment.url} answered {response.status_code} without an object of ours") from cause
    if response.status_code in (400, 413, 422):
        _refused(message, row, first)
    raise ServingError(f"deployment {deployment.name!r} answered {response.status_code}", got=message)


def _refused(message: str, row: int | None, first: int) -> NoReturn:
    """Raise the refusal of a chunk, its row counted from the first row of all."""
    if row is not None:
        message = message.replace(f"row {row}", f"row {first + row}", 1)
    raise DataError(message)
