"""How does a notebook run, and how did it really end? Imports Papermill: import it where it is used."""

from .execution import Failure, execute

__all__ = ["Failure", "execute"]
