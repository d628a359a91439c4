"""What a step's result depends on, and what it does not."""

import json
import os
import sys

import pytest

from lepton_nb.errors import NotFoundError
from lepton_nb.pipelines.cache import Cell, Sources, code_cells, key
from lepton_nb.pipelines.cache.sources import environment_digest

from .conftest import code

SAME = {"cells": [Cell("a = 1")], "parameters": {"x": 1}, "inputs": {}, "modules": {}, "environment": "e"}


def test_outputs_counts_markdown_and_labels_of_people_are_no_part_of_a_key():
    plain = {"cells": [code("a = 1")]}
    dressed = {
        "metadata": {"language_info": {"name": "python"}},
        "cells": [
            {"cell_type": "markdown", "source": "# why"},
            {**code(["a = ", "1"], tags=["mine"], collapsed=True), "execution_count": 7, "outputs": [{"x": 1}]},
            code("  \n"),
        ],
    }
    assert code_cells(plain) == code_cells(dressed)
    assert code_cells({"cells": [code("a = 1", tags=["parameters"])]}) != code_cells(plain)


@pytest.mark.parametrize(
    "change",
    [
        {"cells": [Cell("a = 2")]},
        {"cells": [Cell("a = 1", ("parameters",))]},
        {"cells": [Cell("a = 1"), Cell("b")]},
        {"parameters": {"x": 1.0}},
        {"parameters": {"x": True}},
        {"parameters": {"x": "1"}},
        {"parameters": {"x": {"a": 1, "b": 2}}},
        {"parameters": {"x": {"b": 2, "a": 1}}},
        {"parameters": {}},
        {"inputs": {"a.csv": "0"}},
        {"modules": {"a.py": "0"}},
        {"environment": "f"},
        {"writes": ["out.csv"]},
        {"needs": ["1"]},
    ],
)
def test_everything_that_a_result_depends_on_changes_its_key(change):
    changed = key(**{**SAME, **change})
    assert changed != key(**SAME)
    assert changed == key(**{**SAME, **change})


def test_the_order_of_parameters_is_no_part_of_a_key():
    assert key(**{**SAME, "parameters": {"x": 1, "y": 2}}) == key(**{**SAME, "parameters": {"y": 2, "x": 1}})


def test_an_installed_or_upgraded_package_changes_the_environment(tmp_path):
    bare = environment_digest([str(tmp_path)])
    (tmp_path / "one-1.0.dist-info").mkdir()
    one = environment_digest([str(tmp_path), str(tmp_path / "nowhere")])
    (tmp_path / "one-1.0.dist-info").rename(tmp_path / "one-1.1.dist-info")
    assert len({bare, one, environment_digest([str(tmp_path)])}) == 3


def test_what_is_built_in_the_project_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    before = Sources(tmp_path).environment
    (tmp_path / "mine.egg-info").mkdir()
    assert Sources(tmp_path).environment == before
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "more/site-packages")])
    (tmp_path / "more/site-packages/new-1.dist-info").mkdir(parents=True)
    assert Sources(tmp_path).environment != before


def test_a_key_follows_the_files_and_not_where_the_project_lies(tmp_path):
    keys = []
    for place in ("a", "b"):
        root = tmp_path / place
        root.mkdir()
        (root / "s.ipynb").write_text(json.dumps({"cells": [code("import mine")]}))
        (root / "mine.py").write_text("x = 1")
        (root / "data.csv").write_text("1")
        sources = Sources(root)

        def now(root=root, sources=sources):
            return sources.key(root / "s.ipynb", {}, inputs=[root / "data.csv"], writes=[root / "out"])

        first = now()
        assert now() == first
        (root / "data.csv").write_text("2")
        second = now()
        (root / "mine.py").write_text("x = 3")
        keys.append((first, second, now()))
        assert len(set(keys[-1])) == 3
    assert keys[0] == keys[1]


def test_an_input_that_is_not_there_is_named(tmp_path):
    (tmp_path / "s.ipynb").write_text(json.dumps({"cells": []}))
    with pytest.raises(NotFoundError, match=r"gone\.csv does not exist"):
        Sources(tmp_path).key(tmp_path / "s.ipynb", {}, inputs=[tmp_path / "gone.csv"])


def test_a_file_that_kept_its_size_is_seen_to_have_changed(tmp_path):
    (tmp_path / "a").write_text("1")
    sources = Sources(tmp_path)
    first = sources.digests([tmp_path / "a"])
    stat = (tmp_path / "a").stat()
    (tmp_path / "a").write_text("2")
    os.utime(tmp_path / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert sources.digests([tmp_path / "a"]) != first
