"""From a deployment to the files of a client."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import ServingError, UsageError
from ...records import Deployment, Written
from ...runtime import CHAMPION, ModelError, Signature, read_signature, read_slots
from ..handing import Part, filled, hand_over
from .example import example_row
from .java import java_values
from .naming import module_name, shell_text
from .python import python_values

__all__ = ["LANGUAGES", "make_client"]

_TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = ("python", "java", "curl")


def make_client(deployment: Deployment, language: str, folder: Path) -> Written:
    """Write a client of a deployment; it need not run.

    Args:
        deployment: whom the client asks.
        language: `python`, `java` or `curl`.
        folder: where the files go, made when absent.

    Returns:
        The files and the commands that try them. The token is in none of them: clients read LEPTON_TOKEN.

    Raises:
        UsageError: there is no such language.
        ServingError: the deployment's model cannot be read.
        ConflictError: a file of somebody else's is in the way.
    """
    if language not in LANGUAGES:
        raise UsageError(f"no client is made for {language!r}", expected=", ".join(LANGUAGES))
    try:
        slot = read_slots(deployment.path / "slots.json")[CHAMPION]
        signature = read_signature(slot.path)
    except ModelError as cause:
        raise ServingError(
            f"deployment {deployment.name!r} does not tell what it takes", got=str(cause), hint="lepton serve BENTO"
        ) from cause
    parts, trial = _MAKERS[language](deployment, slot.bento, signature)
    files = hand_over(folder, language, parts)
    export = f"export LEPTON_TOKEN=$(cat {shell_text(str(deployment.token_file))})"
    shown = trial.format(folder=shell_text(str(folder)))
    return Written(f"{language} client of {deployment.name}", folder, files, (export, shown))


def _python(deployment: Deployment, bento: str, signature: Signature) -> tuple[dict[str, Part], str]:
    values = {"NAME": deployment.name, **python_values(deployment.url, bento, signature)}
    file = f"{module_name(deployment.name)}.py"
    return {file: Part(filled(_TEMPLATES / "client.py.txt", values))}, f"python {{folder}}/{file}"


def _java(deployment: Deployment, bento: str, signature: Signature) -> tuple[dict[str, Part], str]:
    package = module_name(deployment.name)
    values = {"NAME": deployment.name, "PACKAGE": package, **java_values(deployment.url, bento, signature)}
    file = f"{package}/Client.java"
    return {file: Part(filled(_TEMPLATES / "Client.java.txt", values))}, f"java {{folder}}/{file}"


def _curl(deployment: Deployment, bento: str, signature: Signature) -> tuple[dict[str, Part], str]:
    values: Mapping[str, str] = {"NAME": deployment.name, "URL": shell_text(deployment.url)}
    example = json.dumps({"rows": [example_row(signature)]}, allow_nan=False) + "\n"
    script = Part(filled(_TEMPLATES / "client.sh.txt", values), mode=0o755)
    return {"client.sh": script, "example.json": Part(example)}, "{folder}/client.sh predict"


_MAKERS: dict[str, Callable[[Deployment, str, Signature], tuple[dict[str, Part], str]]] = {
    "python": _python,
    "java": _java,
    "curl": _curl,
}
