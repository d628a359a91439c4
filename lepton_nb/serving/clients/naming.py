"""Column names become identifiers, and any text becomes a literal, of Python, Java and a shell."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Sequence

__all__ = ["identifiers", "java_text", "module_name", "python_text", "shell_text"]

# Keywords, literals and contextual words of Java, then what every object and the class of a row already have.
_TAKEN = frozenset(
    re.findall(
        r"\w+",
        """abstract assert boolean break byte case catch char class const continue default do double else enum extends
    final finally float for goto if implements import instanceof int interface long native new package private
    protected public return short static strictfp super switch synchronized this throw throws transient try void
    volatile while true false null var record sealed permits yield non
    clone equals finalize getClass hashCode notify notifyAll toString wait example put values""",
    )
)


def identifiers(names: Sequence[str]) -> tuple[str, ...]:
    """A legal Java identifier for each name, no two the same.

    A name that is legal as it is stays so, whatever others would be called.

    Args:
        names: any texts, no two the same.

    Example:
        >>> identifiers(["mean radius", "mean_radius", "class", "2nd", "größe", '");'])
        ('meanRadius', 'mean_radius', 'class_', 'column2nd', 'groE', 'column')
        >>> identifiers(["a!", "a", "a?", "a2"])
        ('a3', 'a', 'a4', 'a2')
    """
    chosen = {name: name for name in names if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and _is_free(name)}
    used = set(chosen.values())
    for name in names:
        if name not in chosen:
            chosen[name] = _unused(_cleaned(name), used)
            used.add(chosen[name])
    return tuple(chosen[name] for name in names)


def _is_free(name: str) -> bool:
    # A single underscore is a keyword of Java.
    return name not in _TAKEN and name != "_"


def _cleaned(name: str) -> str:
    """Its letters and digits in camel case; accents are dropped."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    words = [word for word in re.split(r"[^A-Za-z0-9]+", plain) if word]
    text = "".join([*words[:1], *(word[0].upper() + word[1:] for word in words[1:])])[:80]
    if not text or text[0].isdigit():
        text = f"column{text}"
    return text if _is_free(text) else f"{text}_"


def _unused(wanted: str, used: set[str]) -> str:
    number, found = 1, wanted
    while found in used:
        number += 1
        found = f"{wanted}{number}"
    return found


def module_name(deployment: str) -> str:
    """The name of a module of Python and of a package of Java.

    Example:
        >>> module_name("tiny"), module_name("0.9-beta")
        ('tiny_client', 'model_0_9_beta_client')
    """
    text = re.sub(r"[^a-z0-9]+", "_", deployment.lower()).strip("_")
    return f"{text}_client" if text and not text[0].isdigit() else f"model_{text}_client".replace("__", "_")


def python_text(text: str) -> str:
    r"""A literal of Python.

    Example:
        >>> print(python_text("it's \n"), python_text("größe"))
        "it's \n" 'größe'
    """
    # What cannot be printed is escaped by repr: controls, surrogates, marks that turn the direction of writing.
    return repr(str(text))


def java_text(text: str) -> str:
    r"""A literal of Java, in ASCII.

    `\uXXXX` is read by Java before anything else, so that `\u0022` would end a literal: what lies in ASCII is
    written otherwise.

    Example:
        >>> print(java_text('a"b\\u0022\n'), java_text("größe"), java_text("\U0001f600"))
        "a\"b\\u0022\012" "gr\u00f6\u00dfe" "\ud83d\ude00"
    """
    parts = []
    for one in text:
        if one in '"\\':
            parts.append(f"\\{one}")
        elif " " <= one <= "~":
            parts.append(one)
        elif one < "\x80":
            parts.append(f"\\{ord(one):03o}")
        else:
            units = one.encode("utf-16-be", "surrogatepass")
            parts += [f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)]
    return '"' + "".join(parts) + '"'


def shell_text(text: str) -> str:
    """A word of a shell."""
    return shlex.quote(text)
