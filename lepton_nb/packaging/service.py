"""The BentoML service of a packaged model. The app beside it does the work; BentoML starts it."""

from __future__ import annotations

import bentoml
from lepton_runtime.asgi import app

__all__ = ["Model"]


@bentoml.asgi_app(app, path="/")
@bentoml.service(name="model")
class Model:
    """Predictions of one model: POST /predict, GET /signature."""
