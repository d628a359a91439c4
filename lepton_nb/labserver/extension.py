"""How Jupyter Server finds and loads this extension; `lepton_nb.json` beside it switches it on."""

from __future__ import annotations

from pathlib import Path

from jupyter_server.serverapp import ServerApp

from .routes import routes


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lepton_nb.labserver"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    root = Path(server.root_dir)
    server.web_app.add_handlers(".*$", routes(server.base_url, root))  # type: ignore[no-untyped-call]  # Tornado's is not annotated
