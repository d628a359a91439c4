"""How far each feature has moved: over all, over time, and bin by bin."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..records import Drift, FeatureDrift
from .canvas import ACCENT, ALARM, GRID, GROUND, INK, MUTED, SOFT, WIDTH, element, say
from .plot import Panel, key, line, rectangle, time_ticks, write

__all__ = ["drift", "heat", "histograms"]

_FEATURES = 12
_ROWS = 40
_BINS = 24


def drift(found: Drift, *, threshold: float = 0.1) -> str:
    """The effect size per feature, the largest first, with the threshold.

    Args:
        found: traffic against the training reference.
        threshold: effect size from which a certain difference counts as drift.

    Returns:
        One `<svg>` element; drifted features have a dashed edge and say so in words.
    """
    shown = found.features[:_FEATURES]
    rest = found.features[_FEATURES:]
    slots = max(len(shown) + bool(rest), 2)
    widest = max([1.3 * threshold, *(one.effect for one in shown)])
    panel = Panel(190, 22, WIDTH - 190 - 128, 22 * slots, (0, widest), (0, slots))
    bottom = panel.top + panel.height
    body = line([(190, panel.top), (190, bottom)], GRID, 1)
    for place, one in enumerate(shown):
        middle = panel.top + 22 * place + 11
        edge = ALARM if one.drifted else ""
        body += rectangle(190, middle - 6.5, panel.x(one.effect) - 190, 13, GROUND if edge else ACCENT, edge=edge)
        body += write(184, middle, say(one.name, 26), anchor="end", colour=INK)
        words = f"{one.effect:.2f} {_word(one, threshold)}".strip()
        body += write(WIDTH - 122, middle, words, colour=ALARM if one.drifted else MUTED)
    at = panel.x(threshold)
    body += line([(at, panel.top), (at, bottom)], INK, 1.2, "5 3")
    body += write(at, 12, f"threshold {threshold:g}", anchor="middle")
    if rest:
        text = f"{len(rest)} more, none above {max(one.effect for one in rest):.2f}"
        body += write(184, panel.top + 22 * len(shown) + 11, text, anchor="end")
    return element(34 + 22 * slots, f"Drift per feature: {found.verdict}", _said(found), body)


def heat(
    names: Sequence[str],
    edges: Sequence[float],
    values: Sequence[Sequence[float | None]],
    *,
    threshold: float = 0.1,
    links: Sequence[str] = (),
) -> str:
    """How far each feature had moved in each stretch of time: the darker, the farther.

    Args:
        names: the features, one row each.
        edges: where the stretches begin, and where the last one ends, in seconds since the epoch.
        values: per feature the effect size in each stretch; None where there were too few rows.
        threshold: effect size from which a difference counts; such a cell has a dot.
        links: per feature where a click on its name leads.

    Returns:
        One `<svg>` element.
    """
    shown = names[:_ROWS]
    tall = 18
    panel = Panel(150, 6, WIDTH - 162, tall * max(len(shown), 1), (edges[0], edges[-1]), (0, 1))
    body = ""
    for place, name in enumerate(shown):
        top = panel.top + tall * place
        text = write(144, top + tall / 2, say(name, 20), anchor="end", colour=INK)
        target = html.escape(links[place], quote=True) if place < len(links) else ""
        body += f'<a href="{target}" data-go="">{text}</a>' if target else text
        for i, value in enumerate(values[place]):
            if value is None:
                continue
            left, right = panel.x(edges[i]), panel.x(edges[i + 1])
            strong = min(value / (3 * threshold), 1.0)
            colour = ALARM if value >= threshold else ACCENT
            body += rectangle(left, top + 1, right - left, tall - 2, colour, opacity=0.06 + 0.84 * strong)
            if value >= threshold and right - left > 4:
                body += rectangle((left + right) / 2 - 1.5, top + tall / 2 - 1.5, 3, 3, INK)
    below = panel.top + panel.height + 12
    ticks = time_ticks(*panel.across)
    body += "".join(write(panel.x(moment), below, text, anchor="middle") for moment, text in ticks)
    if len(names) > len(shown):
        body += write(144, below, f"{len(names) - len(shown)} more", anchor="end")
    known = [(name, [v for v in row if v is not None]) for name, row in zip(names, values, strict=True)]
    worst = [f"{name}: at most {max(row):.2f}" for name, row in known if row]
    said = "; ".join(worst[:_ROWS]) or "too few rows in every stretch of time"
    return element(panel.top + panel.height + 24, "Drift of each feature over time", said, body)


def histograms(name: str, bins: Sequence[str], reference: Sequence[float], current: Sequence[float]) -> str:
    """A feature's values in the reference and in the traffic, bin by bin.

    Args:
        name: of the feature.
        bins: what each bin holds.
        reference: rows per bin of the reference.
        current: rows per bin of the traffic.

    Returns:
        One `<svg>` element; the bars are shares of all rows.
    """
    before, now = _shares(reference), _shares(current)
    slots = min(len(bins), _BINS)
    highest = max([*before[:slots], *now[:slots], 0.01])
    panel = Panel(46, 30, WIDTH - 58, 150, (0, max(slots, 1)), (0, highest * 1.1))
    body = panel.axes(moments=False)
    for i in range(slots):
        left, wide = panel.x(i), panel.width / slots
        for share, at, colour, edge in ((before[i], 0.12, SOFT, ""), (now[i], 0.52, GROUND, ALARM)):
            top = panel.y(share)
            body += rectangle(left + at * wide, top, 0.36 * wide, panel.y(0) - top, colour, edge=edge)
    every = max(1, -(-slots // 6))
    body += "".join(
        write(panel.x(i + 0.5), panel.top + panel.height + 14, say(bins[i], 14), anchor="middle", size=10)
        for i in range(0, slots, every)
    )
    body += key((("reference", SOFT, ""), ("traffic (dashed)", ALARM, "3 2")))
    moved = [f"{label}: {a:.1%} before, {b:.1%} now" for label, a, b in zip(bins, before, now, strict=True)]
    more = f"; {len(bins) - slots} more bins are not drawn" if len(bins) > slots else ""
    return element(210, f"Values of {say(name, 60)}", "; ".join(moved[:_BINS]) + more, body)


def _shares(counts: Sequence[float]) -> list[float]:
    every = sum(counts)
    return [count / every if every else 0.0 for count in counts]


def _word(one: FeatureDrift, threshold: float) -> str:
    if one.drifted:
        return "drifted"
    return "may be chance" if one.effect >= threshold else ""


def _said(found: Drift) -> str:
    moved = [f"{one.name} ({one.effect:.2f})" for one in found.features if one.drifted]
    listed = f"drifted: {', '.join(moved)}" if moved else "no feature drifted"
    return f"{found.rows} rows compared with the training data; {listed}"
