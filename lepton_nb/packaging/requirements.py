"""What a Bento's environment needs, pinned to the versions that built and tested it."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..errors import MissingError

__all__ = ["pinned"]


def pinned(names: tuple[str, ...]) -> tuple[str, ...]:
    """The installed versions of some distributions and of all that these require.

    BentoML would ask a package index for them; asking this environment needs no network, and gives the versions
    that the model was checked with.

    Args:
        names: distributions.

    Returns:
        `name==version`, sorted.

    Raises:
        MissingError: one of them is not installed.

    Example:
        >>> [line.split("==")[0] for line in pinned(("starlette",))][:3]
        ['anyio', 'idna', 'starlette']
    """
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            one = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError as cause:
            raise MissingError(
                f"package {wanted.name} is not installed", hint=f"pip install '{wanted}', or run make install again"
            ) from cause
        found[key[0]] = one.version
        for line in one.requires or ():
            further = Requirement(line)
            extras = wanted.extras or {""}
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(further)
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))
