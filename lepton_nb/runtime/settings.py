"""What the served app is told by its environment.

LEPTON_SLOTS           the slots.json to serve (default: the folder `model` beside this package, as in a Bento)
LEPTON_LOG_DIR         where predictions are logged (default: nowhere)
LEPTON_TOKEN_FILE      file that holds the token; or LEPTON_TOKEN, the token itself
LEPTON_OPEN            1: serve without a token; refused otherwise
LEPTON_ALLOWED_HOSTS   further Host names, comma-separated, besides the names of this machine's loopback
LEPTON_MAX_BODY        largest request body in bytes (default 10 MiB)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ModelError
from .formats import CHAMPION, MODEL_FILE, Slot, read_slots

__all__ = ["Settings"]

_PACKAGE = Path(__file__).resolve().parent
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_MAX_BODY = 10 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """How one server serves.

    Args:
        champion: the model that answers.
        log_dir: folder of the prediction log, or None.
        token: what clients must present, or None for an open server.
        hosts: Host names that are answered, lower case.
        max_body: largest request body in bytes.
    """

    champion: Slot
    log_dir: Path | None = None
    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = _LOOPBACK
    max_body: int = _MAX_BODY

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings that environment variables name.

        Raises:
            ModelError: there is no token and no LEPTON_OPEN=1, or a value cannot be used; the message names it.
        """
        slots, log_dir = environment.get("LEPTON_SLOTS"), environment.get("LEPTON_LOG_DIR")
        extra = environment.get("LEPTON_ALLOWED_HOSTS", "").lower().split(",")
        return cls(
            champion=read_slots(Path(slots))[CHAMPION] if slots else _own_slot(_PACKAGE.parent),
            log_dir=Path(log_dir) if log_dir else None,
            token=_token(environment),
            hosts=_LOOPBACK | {host.strip() for host in extra if host.strip()},
            max_body=_size(environment.get("LEPTON_MAX_BODY", str(_MAX_BODY))),
        )


def _token(environment: Mapping[str, str]) -> str | None:
    token = environment.get("LEPTON_TOKEN", "")
    if path := environment.get("LEPTON_TOKEN_FILE"):
        try:
            token = Path(path).read_text()
        except OSError as cause:
            raise ModelError(f"LEPTON_TOKEN_FILE {path} cannot be read: {cause.strerror}") from cause
    if token.strip():
        return token.strip()
    if environment.get("LEPTON_OPEN") == "1":
        return None
    raise ModelError("no token: set LEPTON_TOKEN_FILE or LEPTON_TOKEN, or LEPTON_OPEN=1 to serve anybody")


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ModelError(f"LEPTON_MAX_BODY is {text!r}, expected a number of bytes")
    return int(text)


def _own_slot(source: Path) -> Slot:
    """The model of the Bento this package was copied into, named as its `bento.yaml` names it."""
    model = source / "model"
    if not (model / MODEL_FILE).is_file():
        raise ModelError(f"nothing to serve: LEPTON_SLOTS is not set and {model} holds no {MODEL_FILE}")
    names = {"name": "model", "version": "unknown"}
    card = source.parent / "bento.yaml"
    if card.is_file():
        # Two plain top-level scalars do not earn a YAML parser among the Bento's requirements.
        names |= dict(re.findall(r"^(name|version): *['\"]?([^\s'\"]+)", card.read_text(), re.MULTILINE))
    return Slot(f"{names['name']}:{names['version']}", model)
