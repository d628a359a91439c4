"""What is shipped: the wheel, the source archive, and the lock file of the JavaScript."""

from __future__ import annotations

import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import lepton_nb

ROOT = Path(lepton_nb.__file__).parents[1]
LAB = ROOT / "extensions" / "lepton-lab"
TEMPLATE = ("index.html.j2", "conf.json", "static/page.js", "static/page.css")
EXTENSION = "share/jupyter/labextensions/lepton-lab"
SWITCH = "etc/jupyter/jupyter_server_config.d/lepton_nb.json"


def test_the_wheel_carries_the_extension_its_switch_and_the_dashboards(archives: Path) -> None:
    with zipfile.ZipFile(next(archives.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    data = f"lepton_nb-{lepton_nb.__version__}.data/data"
    built = {path.relative_to(ROOT / "lepton_nb/labextension") for path in _files(ROOT / "lepton_nb/labextension")}
    assert {f"{data}/{EXTENSION}/{path}" for path in built} <= set(names)
    assert f"{data}/{EXTENSION}/install.json" in names
    assert f"{data}/{SWITCH}" in names
    pages = {"fleet", "deployment", "training", "pipelines"}
    assert {f"lepton_nb/dashboards/pages/{page}.ipynb" for page in pages} <= set(names)
    assert {f"lepton_nb/pipelines/templates/{file}" for file in ("retrain.yml", "train.ipynb")} <= set(names)
    # Voila finds the template in the package when the dashboard is launched, and in Jupyter's folder inside JupyterLab.
    for place in ("lepton_nb/dashboards/share/voila", f"{data}/share/jupyter/voila"):
        assert {f"{place}/templates/lepton/{file}" for file in TEMPLATE} <= set(names)
    assert not [name for name in names if name.startswith("lepton_nb/labextension/")], "the extension is shipped twice"


def test_a_wheel_of_the_source_archive_needs_no_node(archives: Path) -> None:
    with tarfile.open(next(archives.glob("*.tar.gz"))) as source:
        names = [name.partition("/")[2] for name in source.getnames()]
    assert "lepton_nb/labextension/package.json" in names
    assert "extensions/lepton-lab/src/index.ts" in names
    assert not [name for name in names if "node_modules" in name]


def test_this_environment_has_the_extension_that_was_built() -> None:
    installed = Path(sys.prefix) / EXTENSION
    assert (installed / "package.json").exists(), "not installed; next: make install"
    here = ROOT / "lepton_nb" / "labextension"
    for path in _files(here):
        same = (installed / path.relative_to(here)).read_bytes() == path.read_bytes()
        assert same, f"{path.name} is older than the build; next: make install"
    assert json.loads((Path(sys.prefix) / SWITCH).read_text()) == {
        "ServerApp": {"jpserver_extensions": {"lepton_nb.labserver": True}}
    }


def test_the_extension_has_the_version_of_the_package() -> None:
    assert json.loads((LAB / "package.json").read_text())["version"] == lepton_nb.__version__


def test_the_lock_file_pins_everything_and_names_no_registry() -> None:
    text = (LAB / "package-lock.json").read_text()
    packages = {name: one for name, one in json.loads(text)["packages"].items() if name}
    assert all(one["integrity"].startswith("sha512-") and one["version"] for one in packages.values())
    assert not re.search(r'"resolved"|\.tgz', text)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
