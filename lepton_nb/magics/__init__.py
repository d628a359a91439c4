"""How does a notebook call a verb?"""

from .magic import LeptonMagic, load

__all__ = ["LeptonMagic", "load"]
