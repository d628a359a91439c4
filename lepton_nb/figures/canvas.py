"""What every figure shares: its size, its colours, and how it becomes SVG that a page can hold.

Colours are names until the SVG is written: each becomes a CSS variable with a value for light ground, so that the page
around the figure decides how it looks, on dark ground too. No meaning rests on a colour alone.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "ALARM",
    "GRID",
    "GROUND",
    "INK",
    "MUTED",
    "SOFT",
    "WIDTH",
    "axes",
    "canvas",
    "css",
    "element",
    "label",
    "say",
    "svg",
]

# Colours that nobody would choose, for the renderer; what stands for each in the SVG is below.
INK, MUTED, GRID, ACCENT, SOFT, ALARM, GROUND = (f"#01020{i}" for i in range(1, 8))
_CSS = {
    INK: "var(--lepton-ink, var(--jp-ui-font-color1, #1b2733))",
    MUTED: "var(--lepton-muted, var(--jp-ui-font-color2, #5a6b7b))",
    GRID: "var(--lepton-grid, var(--jp-border-color2, #dde4ea))",
    ACCENT: "var(--lepton-accent, #1f6fb2)",
    SOFT: "var(--lepton-soft, #7fb2dd)",
    ALARM: "var(--lepton-alarm, #c2410c)",
    GROUND: "var(--lepton-card, var(--jp-layout-color1, #ffffff))",
}

# One unit of a figure is a pixel of a page at its natural size.
WIDTH = 560
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_FONT_SIZE = 11.5
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


def canvas(height: float) -> Figure:
    """An empty figure, `WIDTH` wide."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    figure.patch.set_visible(False)
    return figure


def axes(figure: Figure, *, left: float, right: float = 12, top: float = 10, bottom: float = 24) -> Axes:
    """Axes with quiet lines.

    Args:
        figure: what they are put on.
        left: pixels between them and the figure's left side.
        right: the same on the right.
        top: the same above.
        bottom: the same below.
    """
    height = figure.get_figheight() * 72
    area = figure.add_axes(
        (left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH, (height - top - bottom) / height)
    )
    area.patch.set_visible(False)
    for side in ("top", "right", "left"):
        area.spines[side].set_visible(False)
    area.spines["bottom"].set_color(GRID)
    area.tick_params(length=0, labelsize=_FONT_SIZE, labelcolor=MUTED, pad=5)
    area.set_axisbelow(True)
    return area


def label(area: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write `text` as it is, whatever characters it holds."""
    style = {"fontsize": _FONT_SIZE, "color": INK, "va": "center", **style}
    area.text(x, y, say(text), parse_math=False, **style)


def say(text: str, most: int = 34) -> str:
    r"""`text` on one line, shortened to `most` characters.

    Example:
        >>> say("a\nb"), say("x" * 50, most=6)
        ('a b', 'xxxxx…')
    """
    line = _CONTROL.sub(" ", text)
    return line if len(line) <= most else line[: most - 1] + "…"


def svg(figure: Figure, title: str, description: str) -> str:
    """The figure as one `<svg>` element that fits the width it is given.

    Args:
        figure: what was drawn.
        title: what it shows; said by screen readers and on hovering.
        description: what can be read from it, in words.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "hatch.linewidth": 1.2}),
        warnings.catch_warnings(),
    ):
        # The browser has fonts for the letters that the renderer's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    # Behind the renderer's own opening tag, metadata and style sheet, which would apply to the whole page.
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    body = body[body.index(">") + 1 :]
    for colour, css in _CSS.items():
        body = body.replace(colour, css)
    # An attribute cannot refer to a variable, a style can.
    body = re.sub(r'\b(fill|stroke)="(var\([^"]*)"', r'style="\1: \2"', body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", lambda found: f"font: {found[1]}px {_FONT}", body)
    return element(figure.get_figheight() * 72, title, description, body.removesuffix("</svg>\n"))


def css(colour: str) -> str:
    """What a style says for one of the colours."""
    return _CSS[colour]


def element(height: float, title: str, description: str, body: str) -> str:
    """What was drawn as one `<svg>` element, `WIDTH` wide, that fits the width it is given.

    Args:
        height: in units of the figure.
        title: what it shows; said by screen readers and on hovering.
        description: what can be read from it, in words.
        body: the elements of the drawing; every text in them is escaped already.
    """
    said, more = html.escape(title), html.escape(_CONTROL.sub(" ", description))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'viewBox="0 0 {WIDTH} {height:g}" style="width: 100%; height: auto; stroke-linejoin: round" '
        f'aria-label="{said}. {more}"><title>{said}</title><desc>{more}</desc>{body}</svg>\n'
    )
