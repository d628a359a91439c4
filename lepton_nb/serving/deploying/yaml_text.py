"""An object as YAML below a comment."""

from __future__ import annotations

from typing import Any

__all__ = ["yaml_text"]


def yaml_text(comment: str, value: dict[str, Any]) -> str:
    """YAML with keys in their order.

    Args:
        comment: one or more lines.
        value: plain objects, lists and scalars.

    Example:
        >>> print(yaml_text("Two words.", {"b": "no", "a": [1]}), end="")
        # Two words.
        b: 'no'
        a:
        - 1
    """
    import yaml

    head = "".join(f"# {line}\n" for line in comment.strip().splitlines())
    return head + str(yaml.safe_dump(value, sort_keys=False, width=120))
