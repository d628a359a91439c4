"""What all targets have in common: names, the start command, what is copied of a Bento."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from ...errors import ServingError, UsageError
from ...records import Bento
from ...runtime import ModelError, verify_manifest
from ..handing import Part, parts_below

__all__ = ["ENVIRONMENT", "PORT", "REQUIREMENTS", "Plan", "start_command"]

PORT = 3000
REQUIREMENTS = "env/python/requirements.txt"
ENVIRONMENT = {
    # A Bento is not changed by being served.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    # ONNX Runtime would tell its maker of each session, and keep a file below the home folder for that.
    "ORT_DISABLE_TELEMETRY": "1",
    # Workers share the cores; thread pools of their own would only fight over them.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
# One component after another, and a tag or a digest; what the engines themselves take is narrower still.
_IMAGE = re.compile(
    r"[a-z0-9][a-z0-9._-]*(:\d{1,5})?(/[a-z0-9][a-z0-9._-]*)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)


def start_command(host: str, port: str, workers: str, python: str = "python") -> list[str]:
    """The words that start the server, in the folder `src` of the Bento."""
    return [python, "-m", "lepton_runtime", "--host", host, "--port", port, "--workers", workers]


@dataclass(frozen=True)
class Plan:
    """What is deployed.

    Args:
        bento: the package.
        image: name of the container image, with a tag or a digest.
        replicas: how many answer.
    """

    bento: Bento
    image: str
    replicas: int

    @classmethod
    def of(cls, bento: Bento, image: str | None, replicas: int) -> Plan:
        """The plan for a Bento.

        Raises:
            UsageError: the image's name or the number of replicas is not allowed.
            ServingError: the Bento is broken, or older than what is written for it.
        """
        if replicas < 1:
            raise UsageError(f"{replicas} replicas cannot serve", expected="at least 1")
        if image is not None and not _IMAGE.fullmatch(image):
            raise UsageError(
                f"{image!r} is no name of an image",
                expected="[REGISTRY/]NAME[:TAG], such as registry.example/team/model:1",
            )
        _check(bento)
        plan = cls(bento, "", replicas)
        image = image or plan.name
        tagged = "@" in image or ":" in image.rpartition("/")[2]
        return cls(bento, image if tagged else f"{image}:{plan.version}", replicas)

    @property
    def name(self) -> str:
        """The Bento's name as Kubernetes and DNS take one: letters, digits and dashes, a letter first."""
        text = re.sub(r"[^a-z0-9]+", "-", self.bento.tag.partition(":")[0]).strip("-")[:50].strip("-")
        return text if text[:1].isalpha() else f"model-{text}".strip("-")

    @property
    def version(self) -> str:
        """The Bento's version as a tag or a label takes it."""
        return self.bento.tag.partition(":")[2].strip("._-") or "latest"

    @property
    def python(self) -> str:
        """The version of Python that the Bento was packaged with, such as 3.11.7."""
        file = self.bento.path / "env" / "python" / "version.txt"
        stated = file.read_text().strip() if file.is_file() else ""
        known = re.fullmatch(r"3\.\d+\.\d+", stated)
        return stated if known else ".".join(map(str, sys.version_info[:3]))

    def context(self) -> dict[str, Part]:
        """The files of the Bento that its server needs, below `bento`."""
        single = {f"bento/{name}": Part(self.bento.path / name) for name in ("bento.yaml", REQUIREMENTS)}
        return {**single, **parts_below(self.bento.path / "src", "bento/src")}


def _check(bento: Bento) -> None:
    if bento.code:
        raise ServingError(
            f"{bento.tag} cannot be deployed",
            got="the source of a network that ONNX cannot express",
            hint=f"lepton_nb.load_model('{bento.tag}') gives the network",
        )
    needed = ("bento.yaml", REQUIREMENTS, "src/lepton_runtime/__main__.py")
    fault = next((f"{bento.path / name} is missing" for name in needed if not (bento.path / name).is_file()), "")
    try:
        verify_manifest(bento.model)
    except (ModelError, OSError) as cause:
        fault = fault or str(cause)
    if fault:
        raise ServingError(f"{bento.tag} cannot be deployed", got=fault, hint="package the run again")
