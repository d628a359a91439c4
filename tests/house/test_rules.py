"""The rules of the house that a program can count."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lepton_nb"
CARD = {"jupyterlab", "ipywidgets", "torch", "pytorch-lightning", "papermill", "voila", "bentoml"}
HEAVY = (
    "torch",
    "lightning",
    "pytorch_lightning",
    "mlflow",
    "bentoml",
    "papermill",
    "ray",
    "sklearn",
    "anywidget",
    "pydantic",
)


def sources() -> list[Path]:
    extension = [
        path
        for path in (ROOT / "extensions").rglob("*.ts*")
        if not {"node_modules", "lib"} & set(path.parts) and path.suffix in {".ts", ".tsx"}
    ]
    return sorted([*PACKAGE.rglob("*.py"), *extension])


def test_no_module_is_longer_than_300_lines() -> None:
    counts = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert len(counts) > 30
    assert {path: count for path, count in counts.items() if count > 300} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 50:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = length
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert [path for path in sources() if path.stem.lower() in empty] == []


def test_each_package_only_names_what_it_offers() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        body = ast.parse(path.read_text()).body
        allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.If)
        assert all(isinstance(node, allowed) for node in body), path
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_every_name_that_a_package_offers_is_there() -> None:
    for info in pkgutil.iter_modules([str(PACKAGE)]):
        module = importlib.import_module(f"lepton_nb.{info.name}")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{info.name}.{name}"


def test_the_environment_files_name_what_the_card_names_and_agree() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {re.split(r"[<>=]", item)[0] for item in environment if isinstance(item, str)}
    pip = next(item["pip"] for item in environment if isinstance(item, dict))
    project = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    assert {"python", "nodejs", "pip"} <= conda
    assert pip[0] == "-c constraints.txt"
    assert {re.split(r"[<>=]", item)[0] for item in pip[1:]} == CARD
    assert set(pip[1:]) <= project


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    pins = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    names = {re.split(r"[<>=;\[]", item)[0].strip().lower().replace("_", "-") for item in wanted}
    assert names - pins == {project["name"].replace("_", "-")}


def test_there_is_one_version() -> None:
    import lepton_nb

    packages = sorted((ROOT / "extensions").glob("*/package.json"))
    assert [path.parent.name for path in packages] == ["lepton-lab", "lepton-widgets"]
    assert {json.loads(path.read_text())["version"] for path in packages} == {lepton_nb.__version__}
    assert f"[{lepton_nb.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("action", ["load", "help"])
def test_loading_the_extension_imports_nothing_heavy(action: str) -> None:
    more = {"load": "", "help": "ip.run_cell('%lepton --help')\n"}[action]
    code = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "ip = InteractiveShell()\nip.run_line_magic('load_ext', 'lepton_nb')\n"
        f"{more}"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_no_room_is_heavy_to_import() -> None:
    names = [info.name for info in pkgutil.iter_modules([str(PACKAGE)])]
    code = "import sys, importlib\n" + "".join(f"importlib.import_module('lepton_nb.{name}')\n" for name in names)
    code += f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_readme_shows_what_the_two_commands_print() -> None:
    text = (ROOT / "README.md").read_text()
    assert "<!--" not in text
    for line in ("test accuracy", "drift in shifted traffic", "executed notebooks: .lepton/pipelines/", " passed"):
        assert line in text
