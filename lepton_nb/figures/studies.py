"""What a study has tried: the best so far, which settings, and what mattered."""

from __future__ import annotations

from ..records import Study
from .canvas import element

__all__ = ["board"]


def board(study: Study) -> str:
    """X"""
    return element(10, f"Study {study.name}", study.said, "")
