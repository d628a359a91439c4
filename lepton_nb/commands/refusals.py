"""What the system refused a verb, told as an error of ours: the thing, the reason, the next step."""

from __future__ import annotations

import errno
import os
import re
from importlib import util
from pathlib import Path

from ..errors import LeptonError, MissingError, ServingError, StorageError

__all__ = ["of_module", "of_system", "require_writable"]

_NEXT = {
    (errno.ENOTDIR, errno.EEXIST, errno.EISDIR): "move what lies there away, or choose another path",
    (errno.EACCES, errno.EPERM, errno.EROFS): "choose a place that you may write; LEPTON_HOME moves the workspace",
    (errno.ENOSPC, errno.EDQUOT): "free some space, for instance with lepton clean --older-than 30d",
    (errno.EMFILE, errno.ENFILE): "raise the limit of open files (ulimit -n)",
}
_CHECK = "check the path; LEPTON_HOME names the workspace's folder"
# Packages that are imported under another name than they are installed by.
_INSTALLED_BY = {"sklearn": "scikit-learn", "yaml": "pyyaml", "IPython": "ipython"}


def of_system(error: OSError) -> LeptonError:
    """The error of ours for one of the operating system's.

    Args:
        error: what a verb raised.

    Returns:
        A StorageError that names the path; for a connection, which has none, a ServingError.
    """
    reason = error.strerror or str(error) or type(error).__name__
    if isinstance(error, (ConnectionError, TimeoutError)) and error.filename is None:
        return ServingError(f"a connection failed: {reason}", hint="lepton deployments")
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    hint = next((text for numbers, text in _NEXT.items() if error.errno in numbers), _CHECK)
    return StorageError(f"{where}{reason}", hint=hint)


def of_module(error: ModuleNotFoundError) -> MissingError:
    """The error of ours for a module that is not there.

    Args:
        error: what an import raised.

    Returns:
        A MissingError with what installs the package, when it is one that this one is built on; what else is not
        there may be a package or a module of the user's own.
    """
    module = error.name or ""
    top = module.partition(".")[0]
    package = _INSTALLED_BY.get(top, top.replace("_", "-"))
    if not top:
        return MissingError(str(error), hint="lepton doctor")
    if _required(package):
        # A part that is missing from what is there is the sign of another version.
        whole = module == top or not _is_there(top)
        what = package if whole else f"{module} of {package}"
        return MissingError(f"{what} is not installed", hint=f"pip install {'' if whole else '--upgrade '}{package}")
    return MissingError(
        f"there is no module {module!r}",
        hint=f"pip install the package that holds it, or start where {top}.py lies",
    )


def require_writable(path: Path) -> None:
    """Refuse a file that could not be written, before the work that it is for.

    Args:
        path: the file; folders above it that are not there yet will be made.

    Raises:
        StorageError: it is a folder, or what is to hold it is no folder or may not be written.
    """
    if path.is_dir():
        raise of_system(IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)))
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise of_system(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above)))
    if not os.access(above, os.W_OK | os.X_OK):
        raise of_system(PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above)))


def _required(package: str) -> bool:
    """Whether this distribution asks for that package."""
    from importlib import metadata

    asked = metadata.requires("lepton_nb") or []
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in asked}
    return package.lower() in names


def _is_there(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ValueError:
        return False
