"""A unit of systemd, and the script that installs it."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..handing import Part, filled
from .plan import ENVIRONMENT, PORT, REQUIREMENTS, Plan, start_command

__all__ = ["parts", "steps"]

_TEMPLATES = Path(__file__).parent / "templates"


def parts(plan: Plan) -> dict[str, Part]:
    """The unit, the script, and the Bento that it installs."""
    unit, place = f"lepton-{plan.name}", f"/opt/lepton/{plan.name}"
    command = start_command("${LEPTON_HOST}", "${LEPTON_PORT}", "${LEPTON_WORKERS}", f"{place}/venv/bin/python")
    values = {
        "TAG": plan.bento.tag,
        "NAME": plan.name,
        "UNIT": unit,
        "PLACE": place,
        "PORT": str(PORT),
        "WORKERS": str(plan.replicas),
        "ENVIRONMENT": " ".join(f"{key}={value}" for key, value in ENVIRONMENT.items()),
        "COMMAND": " ".join(command),
        "REQUIREMENTS": REQUIREMENTS,
        "PYTHON": plan.python.rpartition(".")[0],
    }
    return {
        f"{unit}.service": Part(filled(_TEMPLATES / "unit.service.txt", values)),
        "install.sh": Part(filled(_TEMPLATES / "install.sh.txt", values), mode=0o755),
        **plan.context(),
    }


def steps(plan: Plan, folder: Path) -> tuple[str, ...]:
    """The script does it all; the last command asks how the service does."""
    return (f"sudo {shlex.quote(str(folder))}/install.sh", f"systemctl status lepton-{plan.name}")
