"""How often is a deployed model right: by the labels that came, and where none came, by an estimate?"""

from .measuring import MINIMUM_LABELLED, quality

__all__ = ["MINIMUM_LABELLED", "quality"]
