"""The figures are well-formed SVG that says in words what it shows, whatever the names hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from lepton_nb import figures
from lepton_nb.records import Drift, FeatureDrift, Traffic

NOON = 1_700_000_000 - 1_700_000_000 % 60
HOSTILE = ["<script>alert(1)</script>", "</svg><img src=x onerror=alert(1)>"]
HOSTILE += ["$\\frac{1}", "a\x00b\nc", "_hidden", "数据 🦆"]


def _step(i, requests=60, errors=3, labels=None, p50=2.0):
    latency = (p50, p50 * 2, p50 * 3) if p50 else (None, None, None)
    return Traffic(NOON + 60 * i, 60, requests, requests, errors, *latency, labels or {"a": requests})


def _feature(name, effect=0.05, drifted=False):
    return FeatureDrift(name, effect**2, effect, effect, 0.5, 0.6, drifted)


DRAWN = {
    "requests": lambda names: figures.requests([_step(i) for i in range(5)]),
    "latency": lambda names: figures.latency([_step(i, p50=None if i == 2 else 2.0 + i) for i in range(5)]),
    "mix": lambda names: figures.mix([_step(0, labels=dict.fromkeys(names, 7))]),
    "drift": lambda names: figures.drift(Drift(True, 200, 100, tuple(_feature(n, 0.3, drifted=True) for n in names))),
}
EMPTY = {
    "requests": lambda: figures.requests(()),
    "latency": lambda: figures.latency([_step(0, 0, 0, p50=None)]),
    "mix": lambda: figures.mix(()),
    "drift": lambda: figures.drift(Drift(None, 0, 100, ())),
}


def _texts(svg):
    return [text.text for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_one_accessible_element(name):
    root = ET.fromstring(DRAWN[name](["a", "b"]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["role"] == "img"
    title, description = root[0], root[1]
    assert (title.tag.endswith("}title"), description.tag.endswith("}desc")) == (True, True)
    assert root.attrib["aria-label"] == f"{title.text}. {description.text}"
    assert "style" not in {child.tag.rpartition("}")[2] for child in root.iter()}


@pytest.mark.parametrize("name", DRAWN)
def test_names_from_outside_stay_text(name):
    svg = DRAWN[name](HOSTILE)
    found = {child.tag.rpartition("}")[2] for child in ET.fromstring(svg).iter()}
    assert not found & {"script", "img", "foreignObject"}
    assert not [key for child in ET.fromstring(svg).iter() for key in child.attrib if key.startswith("on")]


@pytest.mark.parametrize("name", ["mix", "drift"])
def test_hostile_names_are_shown_as_they_are(name):
    texts = " ".join(_texts(DRAWN[name](HOSTILE)))
    for shown in ("<script>alert(1)</script>", "$\\frac{1}", "a b c", "_hidden", "数据 🦆"):
        assert shown in texts


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_show_is_drawn_as_such(name):
    assert ET.fromstring(EMPTY[name]()).attrib["role"] == "img"


@pytest.mark.parametrize("name", DRAWN)
def test_the_page_decides_the_colours(name):
    svg = DRAWN[name](["a"])
    assert "var(--lepton-" in svg
    outside = re.sub(r"var\([^\"';]*\)", "", svg)
    assert set(re.findall(r"#[0-9a-f]{6}\b", outside)) <= {"#000000", "#ffffff"}
    assert not re.search(r'(fill|stroke)="var', svg)


def test_a_drifted_feature_is_said_in_words_and_a_rest_is_counted():
    features = [_feature("age", 0.4, drifted=True), _feature("city", 0.2)]
    features += [_feature(f"f{i}", 0.01) for i in range(20)]
    svg = figures.drift(Drift(True, 200, 100, tuple(features)))
    texts = _texts(svg)
    assert "0.40 drifted" in texts
    assert "0.20 may be chance" in texts
    assert "threshold 0.1" in texts
    assert "10 more, none above 0.01" in texts
    assert "drifted: age (0.40)" in svg


def test_the_mix_counts_and_shares_add_up():
    texts = _texts(figures.mix([_step(0, labels={"a": 30, "b": 10}), _step(1, labels={"b": 40})]))
    assert texts == ["b", "50 (62.5%)", "a", "30 (37.5%)"]


def test_the_same_values_give_the_same_bytes():
    assert DRAWN["requests"]([]) == DRAWN["requests"]([])
