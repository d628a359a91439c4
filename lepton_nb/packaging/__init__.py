"""How does a run become something that serves anywhere? A Bento with the artifact, its card and the runtime."""

from .archive import write_archive
from .building import load_code, package
from .exports import FORMATS, export
from .importing import import_package
from .notebook import check_notebook
from .replaying import replay
from .store import bentos, find, of_run

__all__ = [
    "FORMATS",
    "bentos",
    "check_notebook",
    "export",
    "find",
    "import_package",
    "load_code",
    "of_run",
    "package",
    "replay",
    "write_archive",
]
