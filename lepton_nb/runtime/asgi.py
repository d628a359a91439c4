"""The app that `uvicorn lepton_runtime.asgi:app` serves and a Bento's service mounts."""

from .app import create_app
from .gate import Gate

__all__ = ["Gate", "app"]

app = create_app()
