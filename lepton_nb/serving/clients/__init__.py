"""How does another program ask a deployment? By a small typed client, made from the signature of the model."""

from .making import LANGUAGES, make_client

__all__ = ["LANGUAGES", "make_client"]
