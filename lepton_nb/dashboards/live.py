"""The page of the deployments as widgets that a thread keeps up to date."""

from __future__ import annotations

import contextvars
import dataclasses
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import monitoring, serving
from ..errors import LeptonError
from ..records import Deployment, Health
from ..workspace import Workspace, current
from . import view

if TYPE_CHECKING:
    from ipywidgets import VBox  # type: ignore[import-untyped]  # it ships no types

__all__ = ["deployments"]

_EVERY_S = 2.0
_SPANS = (
    ("everything", 0.0),
    ("last 30 minutes", 1800.0),
    ("last 6 hours", 6 * 3600.0),
    ("last 24 hours", 24 * 3600.0),
    ("last 7 days", 7 * 86_400.0),
)


def deployments(ws: Workspace | None = None, *, every: float = _EVERY_S) -> VBox:
    """The live page of all deployments: what they do, whether they are well, and what has drifted.

    Args:
        ws: the workspace (default: the one that holds the current folder).
        every: seconds between two updates.

    Returns:
        A widget; shown as the last value of a cell it fills the page and updates itself while the kernel lives.
    """
    page = _Page(ws or current(), every)
    page.refresh()
    # In the cell's own context the updates count as its messages; without a parent a server takes each for a sign
    # that somebody works here, and never ends the kernel of a page that was closed.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(page.run,), name="lepton-dashboard", daemon=True).start()
    return page.box


class _Reader:
    """What the workspace holds, read anew only where something changed."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._seen: dict[str, tuple[object, Health]] = {}

    def overview(self, wanted: str | None, since: float | None) -> view.Overview:
        """Every deployment, and the wanted one (default: the newest that runs) in full."""
        found = serving.deployments(self._ws).deployments
        if not found:
            return view.Overview()
        chosen = next((one for one in found if one.name == wanted), None)
        chosen = chosen or max(found, key=lambda one: (one.status == "running", one.created))
        every: list[tuple[Deployment, Health | None]] = []
        faults: dict[str, str] = {}
        for one in found:
            try:
                every.append((one, self._health(one, since)))
            except LeptonError as fault:
                every.append((one, None))
                faults[one.name] = str(fault)
        health = {one.name: health for one, health in every}[chosen.name]
        if health is None:
            return view.Overview(every, None, f"{chosen.name}: {faults[chosen.name]}")
        steps = monitoring.traffic(self._ws, chosen, since)
        latest = monitoring.traffic(self._ws, chosen, since=60.0, step_seconds=60.0)
        rate = sum(step.requests for step in latest) / max(sum(step.seconds for step in latest), 1.0)
        return view.Overview(every, view.Selected(chosen, health, steps, rate if chosen.status == "running" else 0.0))

    def _health(self, one: Deployment, since: float | None) -> Health:
        """The verdict, computed again when the log, the slots, the process or the time looked at has changed."""
        files = [*one.path.glob("log-*.jsonl"), one.path / "slots.json"]
        state = (one, since, since and time.time() // 60, [(p.name, p.stat().st_size) for p in files if p.exists()])
        before = self._seen.get(one.name)
        if before is None or before[0] != state:
            self._seen[one.name] = before = (state, monitoring.health(self._ws, one, since))
        return before[1]


class _Page:
    """The widgets, and how they follow the workspace."""

    def __init__(self, ws: Workspace, every: float) -> None:
        import ipywidgets as widgets

        self._reader, self._every = _Reader(ws), every
        self._changed = threading.Event()
        self._drawn: tuple[Any, ...] | None = None
        self._head = widgets.HTML()
        self._which = widgets.Dropdown(description="deployment", options=[])
        self._span = widgets.Dropdown(description="time", options=list(_SPANS))
        self._overview, self._verdict, self._tiles = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._figures = tuple(widgets.HTML() for _ in range(4))
        head = widgets.HBox([self._head, self._which, self._span])
        grid = widgets.Box([*self._figures, self._overview])
        style = (Path(__file__).parent / "style.css").read_text()
        self.box = widgets.VBox([widgets.HTML(f"<style>{style}</style>"), head, self._verdict, self._tiles, grid])
        names = ("lepton-head", "lepton-grid", "lepton-page", "lepton-tall")
        for one, name in zip((head, grid, self.box, self._figures[-1]), names, strict=True):
            one.add_class(name)
        # A callback only sets a flag: it may run while a cell does, and another thread draws.
        for dropdown in (self._which, self._span):
            dropdown.observe(lambda change: self._changed.set(), names="value")

    def run(self) -> None:
        """Follow the workspace until the widgets are closed."""
        while self.box.comm is not None:
            self._changed.wait(self._every)
            self._changed.clear()
            self.refresh()

    def refresh(self) -> None:
        """Read what is new and show it. Nothing that goes wrong ends the page: it says so, and tries again."""
        try:
            self._show(self._reader.overview(self._which.value, self._span.value or None))
        except LeptonError as fault:
            self._verdict.value = view.failure(str(fault))
        except Exception as fault:  # noqa: BLE001 - a page that stops silently would show the past as the present
            self._verdict.value = view.failure(f"the update failed ({type(fault).__name__}); trying again")
        self._head.value = view.headline(time.time(), seconds=self._every)

    def _show(self, found: view.Overview) -> None:
        names = tuple(one.name for one, _ in found.deployments)
        if names != tuple(self._which.options):
            kept = self._which.value
            self._which.options = names
            self._which.value = kept if kept in names else None
        selected = found.selected
        if selected and self._which.value is None:
            self._which.value = selected.deployment.name
        if not names:
            self._verdict.value = view.nothing()
        elif selected is None:
            self._verdict.value = view.failure(found.fault)
        else:
            self._verdict.value, self._tiles.value = view.verdict(selected), view.tiles(selected)
            self._draw(selected)
        self._overview.value = view.overview(found.deployments, self._which.value or "") if names else ""
        for widget in (self._tiles, *self._figures):
            widget.layout.display = "" if selected else "none"

    def _draw(self, selected: view.Selected) -> None:
        """Draw again only what has changed: a step that goes on without requests has not."""
        steps = tuple(dataclasses.replace(one, seconds=one.requests and one.seconds) for one in selected.steps)
        if (drawn := (steps, selected.health.drift)) != self._drawn:
            for widget, card in zip(self._figures, view.figure_cards(selected), strict=True):
                widget.value = card
            self._drawn = drawn
