"""An app that is started, asked and ended within one event loop."""

import asyncio
import json
from pathlib import Path

import httpx

from lepton_nb.runtime.app import create_app
from lepton_nb.runtime.settings import Settings


def talk_to(settings: Settings, talk):
    """Start the app, have `talk(client)` ask it, end it."""

    async def run():
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
            app.router.lifespan_context(app),
        ):
            return await talk(client)

    return asyncio.run(run())


def lines_of(folder: Path, name: str = "log") -> list[dict]:
    """What was logged, in the order of the files."""
    return [json.loads(line) for path in sorted(folder.glob(f"{name}-*")) for line in path.read_text().splitlines()]
