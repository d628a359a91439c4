"""How does a shell call a verb?"""

from .main import main

__all__ = ["main"]
