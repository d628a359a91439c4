"""The BentoML service of a packaged model. The app beside it does the work; BentoML starts it."""

from __future__ import annotations

from typing import Any, cast

import bentoml
from lepton_runtime.asgi import Gate, app

__all__ = ["Model"]


@bentoml.asgi_app(app, path="/")
@bentoml.service(name="model")
class Model:
    """Predictions of one model: POST /predict, GET /signature."""


# BentoML's own routes (/metrics, /docs.json, /) pass the same gate; /livez and /readyz stay open.
cast("Any", Model).add_asgi_middleware(Gate)
