"""What the served app is told by its environment.

LEPTON_SLOTS           the slots.json to serve (default: the folder `model` beside this package, as in a Bento)
LEPTON_LOG_DIR         where predictions are logged (default: nowhere)
LEPTON_LOG             durable: each answer waits for the disk; sample=0.1: a share of the rows; comma-separated
LEPTON_LOG_INPUTS      yes, no or hash; for single columns `hash:ssn,email;no:name` (default: yes)
LEPTON_LOG_URL         where sealed segments are copied, a URL of fsspec whose driver is there (default: nowhere)
LEPTON_LOG_KEEP        seconds that sealed segments are kept (default: for ever)
LEPTON_SEGMENT_S       seconds after which a segment is sealed (default 3600)
LEPTON_TOKEN_FILE      file that holds the token; or LEPTON_TOKEN, the token itself
LEPTON_OPEN            1: serve without a token; refused otherwise
LEPTON_ALLOWED_HOSTS   further Host names, comma-separated, besides the names of this machine's loopback
LEPTON_MAX_BODY        largest request body in bytes (default 10 MiB)
LEPTON_BODY_S          seconds that a body may take to arrive (default 10)
LEPTON_QUEUE           requests that a worker has at hand at most (default 256); more are told to come again
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ModelError
from .formats import MODEL_FILE
from .plans import CHAMPION, Slot, read_slots
from .privacy import Kept

__all__ = ["Settings", "check_log"]

_PACKAGE = Path(__file__).resolve().parent
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_MAX_BODY = 10 * 1024 * 1024
_EVERYTHING = Kept()


@dataclass(frozen=True)
class Settings:
    """How one server serves.

    Args:
        champion: the model that answers at the start.
        log_dir: folder of the prediction log, or None.
        token: what clients must present, or None for an open server.
        hosts: Host names that are answered, lower case.
        max_body: largest request body in bytes.
        slots: the slots.json that is followed, or None.
        kept: what of the inputs is logged.
        sample: share of the rows that is logged.
        durable: whether an answer waits until its line is on the disk.
        log_url: where sealed segments are copied.
        keep_s: seconds that sealed segments are kept; None for ever.
        segment_s: seconds after which a segment is sealed.
        body_s: seconds that a body may take to arrive.
        queue: requests that are at hand at most.
    """

    champion: Slot
    log_dir: Path | None = None
    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = _LOOPBACK
    max_body: int = _MAX_BODY
    slots: Path | None = None
    kept: Kept = _EVERYTHING
    sample: float = 1.0
    durable: bool = False
    log_url: str = field(default="", repr=False)
    keep_s: float | None = None
    segment_s: float = 3600.0
    body_s: float = 10.0
    queue: int = 256

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings that environment variables name.

        Raises:
            ModelError: there is no token and no LEPTON_OPEN=1, or a value cannot be used; the message names it.
        """
        slots, log_dir = environment.get("LEPTON_SLOTS"), environment.get("LEPTON_LOG_DIR")
        extra = environment.get("LEPTON_ALLOWED_HOSTS", "").lower().split(",")
        durable, sample = _log(environment.get("LEPTON_LOG", ""))
        keep = environment.get("LEPTON_LOG_KEEP")
        return cls(
            champion=read_slots(Path(slots))[CHAMPION] if slots else _own_slot(_PACKAGE.parent),
            log_dir=Path(log_dir) if log_dir else None,
            token=_token(environment),
            hosts=_LOOPBACK | {host.strip() for host in extra if host.strip()},
            max_body=_size(environment, "LEPTON_MAX_BODY", _MAX_BODY, "bytes"),
            slots=Path(slots) if slots else None,
            kept=Kept.read(environment.get("LEPTON_LOG_INPUTS", "yes")),
            sample=sample,
            durable=durable,
            log_url=environment.get("LEPTON_LOG_URL", ""),
            keep_s=_seconds(environment, "LEPTON_LOG_KEEP", 0) if keep else None,
            segment_s=_seconds(environment, "LEPTON_SEGMENT_S", 3600),
            body_s=_seconds(environment, "LEPTON_BODY_S", 10),
            queue=_size(environment, "LEPTON_QUEUE", 256, "requests"),
        )


def check_log(log: str, inputs: str) -> None:
    """Refuse values of LEPTON_LOG and LEPTON_LOG_INPUTS that cannot be used.

    Raises:
        ModelError: one cannot; the message says what is expected.
    """
    _log(log)
    Kept.read(inputs)


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


def _log(text: str) -> tuple[bool, float]:
    """Whether the log is durable, and the share of rows on it."""
    durable, sample = False, 1.0
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.partition("=")
        if part == "durable":
            durable = True
        elif name == "sample" and re.fullmatch(r"0?\.\d+|0|1(\.0+)?|0\.", value):
            sample = float(value)
        else:
            raise ModelError(f"LEPTON_LOG has {part!r}, expected durable or sample=SHARE with a share from 0 to 1")
    return durable, sample


def _size(environment: Mapping[str, str], name: str, default: int, unit: str) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or int(text) == 0:
        raise ModelError(f"{name} is {text!r}, expected a number of {unit}")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, str(default))
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
        raise ModelError(f"{name} is {text!r}, expected a number of seconds")
    return float(text)


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
