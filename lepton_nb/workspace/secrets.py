"""Secrets: a parameter names one, the process that needs it knows it, and it is written nowhere.

`secret:NAME` stands for the environment variable NAME, else for the password NAME of the service `lepton` in the
keyring. The names (never the values) that a process resolved pass to what it starts in LEPTON_SECRETS, so that a
trainer or a kernel masks them too.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from ..errors import NotFoundError, UsageError

__all__ = ["SecretStream", "mask", "mask_all", "may_hold_secrets", "resolve_secret", "secret_name", "secret_names"]

_REFERENCE = re.compile(r"secret:([A-Za-z_][A-Za-z0-9_.-]*)")
_NAMES = "LEPTON_SECRETS"
_SERVICE = "lepton"
# Anything shorter is found in ordinary text.
_SHORTEST = 4
_SHORTEST_LINE = 8
# As part of a longer base64 text: pictures, which are such texts, hold any five characters.
_SHORTEST_PART = 6
# What addresses leave as it is: nothing, paths, JavaScript's encodeURIComponent and encodeURI.
_UNQUOTED = ("", "/", "!'()*~", ";,/?:@&=+$!*'()#~")
_ESCAPE = re.compile("%[0-9A-F]{2}")

_known: dict[str, str] = {}


def secret_name(value: object) -> str | None:
    """The NAME of a parameter value `secret:NAME`; None for any other value.

    Example:
        >>> secret_name("secret:API_KEY"), secret_name("secret: plans"), secret_name(3)
        ('API_KEY', None, None)
    """
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def secret_names(value: object) -> Iterator[str]:
    """The names of all secrets that a parameter's value refers to, however deep."""
    if (name := secret_name(value)) is not None:
        yield name
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secret_names(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from secret_names(item)


def resolve_secret(name: str) -> str:
    """The value of a secret; from now on `mask` covers it, here and in the processes that this one starts.

    Args:
        name: of the environment variable, else of the keyring's entry.

    Raises:
        NotFoundError: neither has it.
        UsageError: it is too short to be told from ordinary text.
    """
    value, reason = os.environ.get(name), ""
    if value is None:
        value, reason = _from_keyring(name)
    if value is None:
        raise NotFoundError(
            f"no secret {name}",
            expected=f"the environment variable {name}, or an entry of the keyring{reason}",
            hint=f"export {name}=..., or: keyring set {_SERVICE} {name}",
        )
    if len(value) < _SHORTEST:
        raise UsageError(f"the secret {name} is too short to be kept out of notebooks", expected="4 characters or more")
    _known[name] = value
    names = _announced()
    if name not in names:
        os.environ[_NAMES] = ",".join((*names, name))
    return value


def may_hold_secrets() -> bool:
    """Whether this process, or the one that started it, has resolved a secret."""
    return bool(_known or _announced())


def mask(text: str) -> str:
    """The text with every known secret replaced by `[secret:NAME]`, also where it is quoted or encoded."""
    if not (known := _values()):
        return text
    pattern, names = _pattern(known)
    return pattern.sub(lambda match: f"[secret:{names[match[0]]}]", text)


def mask_all(value: Any) -> Any:
    """The same value with every text in its lists and mappings masked."""
    if not may_hold_secrets():
        return value
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask_all(key): mask_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_all(item) for item in value]
    return value


class SecretStream:
    """Masks a text that comes in pieces: what may be the beginning of a secret is held until more is known."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        if not (known := _values()):
            return piece
        pattern, names = _pattern(known)
        text = pattern.sub(lambda match: f"[secret:{names[match[0]]}]", self._held + piece)
        held = max(len(_open_end(text, form)) for form in names)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held, now that nothing follows."""
        held, self._held = self._held, ""
        return held


def _open_end(text: str, form: str) -> str:
    """The longest end of a text with which a form begins."""
    at = text.find(form[0], max(0, len(text) - len(form) + 1))
    while at >= 0 and not form.startswith(text[at:]):
        at = text.find(form[0], at + 1)
    return text[at:] if at >= 0 else ""


def _values() -> tuple[tuple[str, str], ...]:
    for name in _announced():
        if name not in _known:
            _known[name] = os.environ.get(name) or _from_keyring(name)[0] or ""
    return tuple((name, value) for name, value in _known.items() if len(value) >= _SHORTEST)


def _announced() -> tuple[str, ...]:
    return tuple(filter(None, os.environ.get(_NAMES, "").split(",")))


@functools.lru_cache(maxsize=4)
def _pattern(known: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    names = {form: name for name, value in known for form in _forms(value)}
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))), names


def _forms(value: str) -> set[str]:
    """How a value is written: plain, quoted, in JSON, HTML and addresses, as base64, and line by line."""
    lines = [line.strip() for line in value.splitlines()]
    forms = {value, *lines} if len(lines) > 1 else {value}
    forms = {form for form in forms if form == value or len(form) >= _SHORTEST_LINE}
    for form in tuple(forms):
        raw = form.encode("utf-8", "surrogatepass")
        forms |= {repr(form)[1:-1], ascii(form)[1:-1], html.escape(form)}
        forms |= {json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]}
        forms |= set(_quoted(raw)) | set(_in_base64(raw))
    return forms


def _quoted(raw: bytes) -> Iterator[str]:
    for text in (quote_plus(raw), *(quote(raw, safe=safe) for safe in _UNQUOTED)):
        yield from (text, _ESCAPE.sub(lambda match: match[0].lower(), text))


def _in_base64(raw: bytes) -> Iterator[str]:
    """A value alone, and what it adds to the text of more: three bytes become four characters, wherever they begin."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        for before in range(3):
            # The first and the last character may hold bits of what stands beside it.
            first, behind = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            if behind - first >= _SHORTEST_PART:
                yield encode(bytes(before) + raw).decode()[first:behind]


def _from_keyring(name: str) -> tuple[str | None, str]:
    """The keyring's entry, and why there is none when the keyring itself is at fault."""
    try:
        import keyring

        return keyring.get_password(_SERVICE, name), ""
    except Exception as cause:  # noqa: BLE001 - a machine without a keyring has no secret there
        return None, f" (which does not answer: {type(cause).__name__})"
