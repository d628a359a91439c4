"""One page about a run: how it ended, its graph, and its steps with their executed notebooks. Nothing from outside."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...records import PipelineRun, Step, duration, plain

__all__ = ["page"]

_LONGEST = 2000
_STYLE = """
:root { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #fff; margin: 2rem auto; max-width: 78rem;
  padding: 0 1.5rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
p { margin: .3rem 0 } .about { color: #55626e }
.graph, .wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #dde3e8 }
th { font-weight: 600; color: #55626e } th, td:nth-child(-n+5) { white-space: nowrap }
code, pre { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
.state { white-space: nowrap; font-weight: 600 } .completed { color: #22693f } .cached { color: #235f97 }
.running { color: #8a6100 } .waiting, .skipped { color: #66727d }
.failed, .kernel, .timeout, .incomplete { color: #a32018 }
a { color: #1f5f9e }
"""


def page(run: PipelineRun) -> str:
    """The page about a run, as HTML that stands alone.

    Args:
        run: with its folder, relative to which its notebooks are linked.
    """
    title = html.escape(f"pipeline {run.pipeline}: {run.status}")
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.strptime(run.id[:15], "%Y%m%d-%H%M%S"))
    rows = "".join(_row(run.path, step) for step in run.steps)
    head = "".join(
        f"<th>{name}</th>"
        for name in ("step", "state", "time", "peak memory", "attempts", "parameters", "outputs", "error or note")
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        "<meta name='viewport' content='width=device-width'>"
        # Whatever a notebook reported, this page runs nothing and loads nothing.
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p class='about'>run {html.escape(run.id)}, begun {began}, {duration(run.seconds)}</p>"
        f"<h2>Graph</h2><div class='graph'>{run.graph().svg()}</div>"
        f"<h2>Steps</h2><div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        "</body></html>\n"
    )


def _row(folder: Path, step: Step) -> str:
    ran = step.attempts or step.cached
    memory = "-" if step.peak_memory_mb is None else f"{step.peak_memory_mb:.0f} MiB"
    trouble = [step.error, step.note]
    if step.failed and step.cell:
        trouble.insert(0, f"cell {step.cell}")
    cells = (
        _links(folder, step),
        f"<span class='state {step.state}'>{html.escape(step.state)}</span>",
        duration(step.seconds) if ran else "-",
        memory,
        str(step.attempts) if step.attempts else "-",
        _values(step.parameters),
        _values(step.outputs),
        "<br>".join(html.escape(text) for text in trouble if text),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _links(folder: Path, step: Step) -> str:
    """The step's name, which leads to its executed notebook, and its earlier attempts."""
    name = _link(step.notebook, step.name) if step.notebook.exists() else html.escape(step.name)
    before = (folder / f"{step.name}.attempt-{number}.ipynb" for number in range(1, step.attempts + 1))
    return "<br>".join([name, *(_link(path, path.stem.rpartition(".")[2]) for path in _there(before))])


def _there(paths: Iterable[Path]) -> Iterable[Path]:
    return (path for path in paths if path.exists())


def _link(path: Path, text: str) -> str:
    return f"<a href='{quote(path.name)}'>{html.escape(text)}</a>"


def _values(values: Mapping[str, Any]) -> str:
    lines = (f"{name} = {json.dumps(plain(value), ensure_ascii=False)}" for name, value in values.items())
    return "".join(f"<pre>{html.escape(_cut(line))}</pre>" for line in lines)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
