"""How far each feature has moved."""

from __future__ import annotations

from ..records import Drift, FeatureDrift
from .canvas import ACCENT, ALARM, GRID, GROUND, INK, MUTED, axes, canvas, label, say, svg

__all__ = ["drift"]

_FEATURES = 12


def drift(found: Drift, *, threshold: float = 0.1) -> str:
    """The effect size per feature, the largest first, with the threshold.

    Args:
        found: traffic against the training reference.
        threshold: effect size from which a certain difference counts as drift.

    Returns:
        One `<svg>` element; drifted features are hatched and say so in words.
    """
    shown = found.features[:_FEATURES]
    rest = found.features[_FEATURES:]
    slots = max(len(shown) + bool(rest), 2)
    figure = canvas(34 + 22 * slots)
    area = axes(figure, left=190, right=128, top=22, bottom=12)
    drifted = {"color": GROUND, "edgecolor": ALARM, "hatch": "////", "linewidth": 1.2}
    for place, one in enumerate(shown):
        area.barh(place, one.effect, height=0.6, **(drifted if one.drifted else {"color": ACCENT}))
    widest = max([1.3 * threshold, *(one.effect for one in shown)])
    area.set_xlim(0, widest)
    area.set_ylim(slots - 0.5, -0.5)
    area.set_xticks([])
    area.set_yticks([])
    area.spines["bottom"].set_visible(False)
    area.axvline(0, color=GRID, linewidth=1)
    area.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
    label(area, threshold, -0.5 - 0.45, f"threshold {threshold:g}", ha="center", color=MUTED)
    for place, one in enumerate(shown):
        label(area, -0.02 * widest, place, say(one.name, 26), ha="right")
        words = f"{one.effect:.2f} {_word(one, threshold)}".strip()
        label(area, 1.03 * widest, place, words, color=ALARM if one.drifted else MUTED)
    if rest:
        text = f"{len(rest)} more, none above {max(one.effect for one in rest):.2f}"
        label(area, -0.02 * widest, len(shown), text, ha="right", color=MUTED)
    return svg(figure, f"Drift per feature: {found.verdict}", _said(found))


def _word(one: FeatureDrift, threshold: float) -> str:
    if one.drifted:
        return "drifted"
    return "may be chance" if one.effect >= threshold else ""


def _said(found: Drift) -> str:
    moved = [f"{one.name} ({one.effect:.2f})" for one in found.features if one.drifted]
    listed = f"drifted: {', '.join(moved)}" if moved else "no feature drifted"
    return f"{found.rows} rows compared with the training data; {listed}"
