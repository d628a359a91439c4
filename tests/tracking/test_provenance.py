import importlib.metadata
import re
import sys

from lepton_nb.tracking import provenance


def digest() -> str:
    return provenance.environment_digest.__wrapped__()


def test_the_environment_is_that_of_every_name_and_version_installed(tmp_path, monkeypatch):
    before = digest()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert digest() == before
    seen = {before}
    for name in ("some_tool-1.0.dist-info", "some_tool-1.1.dist-info", "other-2.egg-info"):
        (tmp_path / name).mkdir()
        seen.add(digest())
        (tmp_path / name).rmdir()
    assert len(seen) == 4
    assert digest() == before
    known = {re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower() for one in importlib.metadata.distributions()}
    assert len(known) > 100
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), str(tmp_path)])
    assert digest() != before
