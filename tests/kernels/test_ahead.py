"""What a template has read of installed packages is for processes that run a module, and for no kernel."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest
from lightning_fabric.utilities import registry
from lightning_utilities.core.imports import RequirementCache

from lepton_nb.kernels import ahead


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(ahead, "_known", {})
    monkeypatch.setattr(ahead, "_answers", [])
    monkeypatch.setattr(ahead, "_searched", {*sys.path})
    monkeypatch.setattr(ahead, "_PLUGINS", {registry.__name__: "pytorch_lightning.callbacks_factory"})
    monkeypatch.setattr(registry, "entry_points", registry.entry_points)


def test_installed_callbacks_are_looked_for_once_where_that_is_asked_for(monkeypatch):
    looked = []

    def look(*, group):
        looked.append(group)
        return importlib.metadata.EntryPoints(())

    monkeypatch.setattr(registry, "entry_points", look)
    ahead._plugins()
    assert registry.entry_points is look
    ahead.take_known_plugins(is_kernel=False)
    assert registry._load_external_callbacks("pytorch_lightning.callbacks_factory") == []
    assert looked == ["pytorch_lightning.callbacks_factory"]
    # What the template has not asked is asked.
    registry._load_external_callbacks("lightning_fabric.callbacks_factory")
    assert looked[1:] == ["lightning_fabric.callbacks_factory"]


def test_what_lightning_asks_of_packages_is_answered_for_those_alone_who_take_the_answers(monkeypatch):
    missing, there = RequirementCache("no-such-package"), RequirementCache("torch")
    monkeypatch.setattr(registry, "_MISSING", missing, raising=False)
    monkeypatch.setattr(registry, "_THERE", there, raising=False)
    ahead._requirements()
    assert not hasattr(missing, "available")
    assert not hasattr(there, "available")
    ahead.take_known_plugins(is_kernel=False)
    assert (missing.available, there.available) == (False, True)


def test_a_kernel_and_a_process_that_has_other_packages_ask_for_themselves(monkeypatch, tmp_path):
    missing = RequirementCache("no-such-package")
    monkeypatch.setattr(registry, "_MISSING", missing, raising=False)
    look = registry.entry_points
    ahead._plugins()
    ahead._requirements()
    ahead.take_known_plugins(is_kernel=True)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "no_such_package-1.0.dist-info").mkdir()
    (tmp_path / "no_such_package-1.0.dist-info" / "METADATA").write_text("Name: no-such-package\nVersion: 1.0\n")
    ahead.take_known_plugins(is_kernel=False)
    assert registry.entry_points is look
    assert missing


def test_a_step_that_fails_hinders_no_other(monkeypatch):
    done = []
    monkeypatch.setattr(ahead, "_tables", lambda: 1 / 0)
    for name in ("_plugins", "_requirements", "_metrics", "_store"):
        monkeypatch.setattr(ahead, name, lambda name=name: done.append(name))
    ahead.make_ahead()
    assert done == ["_plugins", "_requirements", "_metrics", "_store"]
