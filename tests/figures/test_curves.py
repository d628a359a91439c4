"""Curves of a training and of several runs: well-formed, small, told apart without colours."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from lepton_nb import figures
from lepton_nb.figures.curves import thin
from lepton_nb.records import Line

HOSTILE = ["<script>alert(1)</script>", "</svg><img src=x onerror=alert(1)>", "$\\frac{1}", "a\x00b\nc", "数据 loss"]


def line(name, values, *, apart=1, run=""):
    return Line(name, tuple(apart * i for i in range(len(values))), tuple(values), run)


def falling(count=50, floor=0.01):
    return [2 * math.exp(-8 * i / count) + floor for i in range(count)]


def texts(svg):
    return [text.text for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def headings(svg):
    return [text for text in texts(svg) if text in ("loss", "loss, logarithmic", "metrics")]


TRAINING = [line("train_loss", falling()), line("val_loss", falling(10), apart=5), line("val_accuracy", [0.5, 0.9])]


@pytest.mark.parametrize(
    "svg",
    [
        lambda: figures.curves(TRAINING, title="digits-cnn", best=45),
        lambda: figures.curves([], title="nothing"),
        lambda: figures.curves([line(name, [1.0, 0.5]) for name in HOSTILE], title=HOSTILE[0]),
        lambda: figures.overlay([line("val_loss", falling(), run=name) for name in HOSTILE], metric=HOSTILE[1]),
        lambda: figures.overlay([], metric="val_loss"),
        lambda: figures.curves([line("loss", [math.nan] * 3), line("empty", [])], title="broken"),
    ],
)
def test_a_figure_is_one_accessible_element_whose_names_stay_text(svg):
    root = ET.fromstring(svg())
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == f"{root[0].text}. {root[1].text}"
    found = {child.tag.rpartition("}")[2] for child in root.iter()}
    assert not found & {"script", "img", "foreignObject", "style"}
    assert not [key for child in root.iter() for key in child.attrib if key.startswith("on")]


def test_losses_and_other_metrics_have_a_panel_each():
    svg = figures.curves(TRAINING, title="digits-cnn", best=45)
    assert headings(svg) == ["loss, logarithmic", "metrics"]
    assert texts(svg).count("best") == 2
    assert "val_accuracy: last 0.9, lowest 0.5, highest 0.9 over 1 steps" in svg
    assert "the best epoch ended at step 45" in svg
    assert headings(figures.curves(TRAINING[:2], title="t")) == ["loss, logarithmic"]
    assert headings(figures.curves(TRAINING[2:], title="t")) == ["metrics"]


@pytest.mark.parametrize(
    ("values", "log"),
    [([5.0, 0.4], True), ([5.0, 0.6], False), ([5.0, 0.0], False), ([5.0, -1.0], False), ([math.nan, 1.0], False)],
)
def test_a_loss_is_logarithmic_where_it_is_positive_and_spans_more_than_a_decade(values, log):
    assert headings(figures.curves([line("loss", values)], title="t")) == ["loss, logarithmic" if log else "loss"]


def test_each_line_has_dashes_of_its_own_and_its_name_with_the_last_value():
    svg = figures.overlay(
        [line("val_loss", falling(floor=0.1 + i), run=f"run-{i}") for i in range(7)], metric="val_loss"
    )
    assert {f"run-{i} {0.1 + i + 2 * math.exp(-8 * 49 / 50):.4g}" for i in range(7)} <= set(texts(svg))
    keys = re.findall(r'<path d="M [\d.]+ [\d.]+ \nL [\d.]+ [\d.]+ \n" style="([^"]*stroke-width: 2[^"]*)"', svg)
    dashes = [re.search(r"stroke-dasharray: ([^;]*)", key) for key in keys]
    assert len(keys) == 7
    assert len({found and found[1] for found in dashes}) == 7


def test_a_value_that_is_not_finite_is_a_gap():
    values = [1.0] * 50 + [math.nan] + [2.0] * 50
    svg = figures.curves([line("accuracy", values)], title="t")
    drawn = max(re.findall(r' d="([^"]*)"', svg), key=len)
    assert drawn.count("M") == 2
    assert "nan" not in drawn


def test_a_hundred_thousand_points_make_a_small_picture_with_the_spike_in_it():
    values = [math.sin(i / 300) + (9 if i == 70_001 else 0) for i in range(100_000)]
    lines = [line(f"metric_{i}", values) for i in range(40)]
    svg = figures.curves(lines, title="long")
    assert len(svg.encode()) < 150_000
    assert any("26 more not drawn" in (text or "") for text in texts(svg))
    kept = thin(lines[0], 300)
    assert len(kept.steps) <= 302
    assert max(kept.values) == max(values)
    assert (kept.steps[0], kept.steps[-1]) == (0, 99_999)


def test_the_page_decides_the_colours_and_the_same_values_give_the_same_bytes():
    svg = figures.curves(TRAINING, title="t")
    outside = re.sub(r"var\([^\"';]*\)", "", svg)
    assert set(re.findall(r"#[0-9a-f]{6}\b", outside)) <= {"#000000", "#ffffff"}
    assert svg == figures.curves(TRAINING, title="t")
