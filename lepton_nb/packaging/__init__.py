"""How does a run become something that serves anywhere? A Bento with the artifact, its card and the runtime."""

from .building import package
from .exports import FORMATS, export
from .store import bentos, find, of_run

__all__ = ["FORMATS", "bentos", "export", "find", "of_run", "package"]
