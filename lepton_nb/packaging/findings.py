"""What a notebook imports that nothing pins, and what it shows that it should not."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import LeptonError
from ..workspace import mask, resolve_secret
from .cells import Cell

__all__ = ["secrets_in", "unpinned"]

_FILES = ("constraints*.txt", "requirements*.txt", "environment*.y*ml", "pyproject.toml", "*.lock", "pylock*.toml")
_PIN = re.compile(
    r"^[ \t]*-?[ \t]*['\"]?([A-Za-z0-9][\w.-]*)(?:\[[\w, -]*\])?[ \t]*={1,3}[ \t]*[\w.*+!-]+", re.MULTILINE
)
_OURS = "lepton_nb"
_REFERENCE = re.compile(r"\bsecret:([A-Za-z_][A-Za-z0-9_.-]*)")
_NAMED_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 8
# What services give out, by the form that they document.
_FORMS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})\b"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "a Slack token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "an API key": re.compile(r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "an address with a password": re.compile(r"\b[a-z][a-z0-9+]*://[^\s/:@'\"]+:[^\s/@'\"*\[<]{4,}@"),
}


def secrets_in(cells: Sequence[Cell]) -> Iterator[str]:
    """What the outputs of cells show that looks like a secret, or is one of this environment.

    Args:
        cells: with their outputs.
    """
    for name in {name for cell in cells for name in _REFERENCE.findall(cell.source)}:
        # From here on `mask` knows its value.
        try:
            resolve_secret(name)
        except LeptonError:
            continue
    held = {name: value for name, value in os.environ.items() if _NAMED_SECRET.search(name) and len(value) >= _SHORTEST}
    for cell in cells:
        text = "\n".join(cell.outputs)
        found = [what for what, form in _FORMS.items() if form.search(text)]
        found += [f"the value of ${name}" for name, value in held.items() if value in text]
        found += ["a secret of lepton"] if mask(text) != text else []
        if found:
            yield f"the output of cell {cell.number} shows {found[0]}"


def unpinned(cells: Sequence[Cell], notebook: Path, root: Path) -> Iterator[str]:
    """What cells import from distributions that no environment file of the project pins.

    Args:
        cells: code.
        notebook: its file.
        root: of the project.
    """
    pins, own = _pins(notebook, root), (notebook.absolute().parent, root, Path.cwd())
    known: Mapping[str, list[str]] | None = None
    told: set[str] = set()
    for cell in cells:
        for module in _imports(cell.tree) if cell.tree else ():
            if module in told or module == _OURS or module in sys.stdlib_module_names or _canonical(module) in pins:
                continue
            # It takes a second to read what is installed.
            known = metadata.packages_distributions() if known is None else known
            installed = known.get(module, [])
            if not installed and any((place / module).is_dir() or (place / f"{module}.py").is_file() for place in own):
                continue
            told.add(module)
            if not {_canonical(one) for one in (installed or [module])} & pins:
                where = "which no environment file pins" if installed else "which is not installed, nor pinned"
                yield f"cell {cell.number} imports {module}, {where}"


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _pins(notebook: Path, root: Path) -> set[str]:
    """The distributions that the project's environment files hold to one version."""
    here = notebook.absolute().parent
    folders = [here, *(above for above in here.parents if above.is_relative_to(root)), root]
    files = {file for folder in dict.fromkeys(folders) for pattern in _FILES for file in folder.glob(pattern)}
    found: set[str] = set()
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix in (".lock", ".toml"):
            found |= _locked(text)
        else:
            found.update(map(_canonical, _PIN.findall(text)))
    return found


def _locked(text: str) -> set[str]:
    """What a lock file, or the dependencies of a pyproject.toml, hold to one version."""
    try:
        value: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return set()
    packages = value.get("package", value.get("packages", []))
    found = {_canonical(str(one["name"])) for one in packages if isinstance(one, dict) and "name" in one}
    lines = [line for line in value.get("project", {}).get("dependencies", []) if "==" in line]
    return found | {_canonical(re.split(r"[\s\[=;<>~!]", line)[0]) for line in lines}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
