"""What the live view is built from, and that the package ships the build."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import lepton_nb
from lepton_nb.widgets.places import STATIC

ROOT = Path(lepton_nb.__file__).parents[1]
SOURCES = ROOT / "extensions" / "lepton-widgets"
BUILT = {"lepton_nb/widgets/static/training.js", "lepton_nb/widgets/static/training.css"}


def test_the_wheel_and_the_source_archive_carry_the_build(archives: Path) -> None:
    with zipfile.ZipFile(next(archives.glob("*.whl"))) as wheel:
        assert set(wheel.namelist()) >= BUILT
    with tarfile.open(next(archives.glob("*.tar.gz"))) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert names >= BUILT | {"extensions/lepton-widgets/src/training.ts", "extensions/lepton-widgets/package-lock.json"}


def test_the_build_is_newer_than_its_sources() -> None:
    built = min((STATIC / name).stat().st_mtime for name in ("training.js", "training.css"))
    newer = [path.name for path in (SOURCES / "src").iterdir() if path.stat().st_mtime > built]
    assert newer == [], "next: make install"


def test_the_build_is_not_committed() -> None:
    done = subprocess.run(["git", "ls-files", *BUILT], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == ""


def test_the_build_asks_nothing_from_outside_and_writes_no_markup() -> None:
    for path in STATIC.iterdir():
        text = path.read_text()
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}, path.name
        assert "innerHTML" not in text


def test_the_lock_file_pins_everything_and_names_no_registry() -> None:
    text = (SOURCES / "package-lock.json").read_text()
    packages = {name: one for name, one in json.loads(text)["packages"].items() if name}
    assert all(one["integrity"].startswith("sha512-") and one["version"] for one in packages.values())
    assert not re.search(r'"resolved"|\.tgz', text)


def test_what_is_asked_for_is_pinned_exactly() -> None:
    package = json.loads((SOURCES / "package.json").read_text())
    assert package["version"] == lepton_nb.__version__
    asked = package["dependencies"] | package["devDependencies"]
    assert {"uplot", "esbuild", "typescript"} <= set(asked)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
