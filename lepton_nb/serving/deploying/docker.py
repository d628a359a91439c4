"""An image and how one container of it runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ..handing import Part, filled
from .plan import ENVIRONMENT, PORT, REQUIREMENTS, Plan, start_command
from .yaml_text import yaml_text

__all__ = ["LOG_DIR", "TOKEN_FILE", "USER", "parts", "steps"]

USER = 10001
LOG_DIR = "/var/lib/lepton"
TOKEN_FILE = "/run/secrets/lepton_token"  # noqa: S105 - a path
_TEMPLATE = Path(__file__).parent / "templates" / "Dockerfile.txt"
_HEADER = """\
One container of @NAME@ on this machine's loopback address; written by `lepton deploy`.
Its token is read from secret/token. Put a proxy with TLS in front of it for other machines, and name the hosts
that it answers in LEPTON_ALLOWED_HOSTS.
"""


def parts(plan: Plan) -> dict[str, Part]:
    """Dockerfile, .dockerignore, compose.yaml, and the Bento as the context of the build."""
    values = {
        "TAG": plan.bento.tag,
        "PYTHON": plan.python,
        "REQUIREMENTS": REQUIREMENTS,
        "USER": str(USER),
        "LOG_DIR": LOG_DIR,
        "ENVIRONMENT": " \\\n    ".join(f"{key}={value}" for key, value in _environment(plan).items()),
        "PORT": str(PORT),
        "HEALTH": json.dumps(_health()),
        "COMMAND": json.dumps(start_command("0.0.0.0", str(PORT), str(plan.replicas))),  # noqa: S104 - in a container
    }
    return {
        "Dockerfile": Part(filled(_TEMPLATE, values)),
        # The secret lies beside the context: it must not become part of a layer, nor be sent to the engine.
        ".dockerignore": Part("*\n!bento\n"),
        ".gitignore": Part("secret/\n"),
        "compose.yaml": Part(yaml_text(_HEADER.replace("@NAME@", plan.name), _compose(plan))),
        **plan.context(),
    }


def _environment(plan: Plan) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "LEPTON_LOG_DIR": LOG_DIR,
        "LEPTON_TOKEN_FILE": TOKEN_FILE,
        "LEPTON_ALLOWED_HOSTS": plan.name,
    }


def _health() -> list[str]:
    code = (
        "import http.client as h; "
        f"c = h.HTTPConnection('127.0.0.1', {PORT}, timeout=2); "
        "c.request('GET', '/readyz'); "
        "raise SystemExit(c.getresponse().status != 200)"
    )
    return ["python", "-c", code]


def _compose(plan: Plan) -> dict[str, Any]:
    service = {
        "image": plan.image,
        "build": ".",
        "restart": "unless-stopped",
        "ports": [f"127.0.0.1:{PORT}:{PORT}"],
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "secrets": ["lepton_token"],
        "volumes": [f"log:{LOG_DIR}"],
    }
    return {
        "name": plan.name,
        "services": {plan.name: service},
        "secrets": {"lepton_token": {"file": "./secret/token"}},
        "volumes": {"log": {}},
    }


def steps(plan: Plan, folder: Path) -> tuple[str, ...]:
    """The token, the image, the container.

    The file must be read by the container's own user: it is readable, in a folder that no other user may enter.
    """
    place = shlex.quote(str(folder))
    return (
        f"mkdir -m 700 {place}/secret && openssl rand -hex 32 > {place}/secret/token && chmod 444 {place}/secret/token",
        f"docker build -t {plan.image} {place}",
        f"docker compose -f {place}/compose.yaml up -d",
    )
