"""Aliases of registered models: the store's word for what is deployed, which follows the slots."""

from __future__ import annotations

import contextlib
from typing import Any

from ..errors import FormatError, NotFoundError
from ..workspace import Workspace
from .address import uri
from .spool import Record
from .store import asking, quiet

__all__ = ["point_alias", "remove_alias"]


def point_alias(ws: Workspace, model: str, alias: str, run_id: str, bento: str = "") -> None:
    """Have an alias of a registered model point to a run; model and version are registered when they are not there.

    Args:
        ws: the workspace.
        model: name of the registered model.
        alias: such as `champion`.
        run_id: the run that the model was made from.
        bento: tag of the Bento, kept as a tag of the version; empty before there is one, when the run tells versions
            apart.

    Raises:
        TrackingError: the store does not answer, or refused.
        NotFoundError: the store has no such run.
    """
    from mlflow.exceptions import MlflowException

    try:
        store_id = Record.read(ws, run_id).store_id or run_id
    except (FormatError, NotFoundError):
        store_id = run_id
    with asking(uri(ws)) as client, quiet():
        # Whoever registered it first is right.
        with contextlib.suppress(MlflowException):
            client.create_registered_model(model)
        known = [
            one
            for one in client.search_model_versions(f"name='{model}'")
            if (one.tags.get("bento") == bento if bento else one.run_id == store_id)
        ]
        version = known[0] if known else _registered(client, model, store_id, bento)
        client.set_registered_model_alias(model, alias, version.version)


def remove_alias(ws: Workspace, model: str, alias: str) -> None:
    """Have an alias point to nothing; it may do so already.

    Raises:
        TrackingError: the store does not answer.
    """
    from mlflow.exceptions import MlflowException

    with asking(uri(ws)) as client, quiet(), contextlib.suppress(MlflowException):
        client.delete_registered_model_alias(model, alias)


def _registered(client: Any, model: str, store_id: str, bento: str) -> Any:
    source = f"{client.get_run(store_id).info.artifact_uri}/weights.safetensors"
    return client.create_model_version(model, source, run_id=store_id, tags={"bento": bento} if bento else {})
