"""Where a template listens, and which processes may share one."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

__all__ = ["NotWarm", "Place", "installed", "locate", "surroundings"]

# A Unix socket's path holds 107 bytes; the name of ours takes 22.
_LONGEST_FOLDER = 85
# What libraries read while they are imported. What they read later is the child's own.
_READ_AT_IMPORT = (
    *("ATEN_", "BLIS_", "GLIBC_", "GOMP_", "KMP_", "LC_", "LD_", "MALLOC_", "MKL_", "NUMEXPR_", "NUMPY_", "OMP_"),
    *("OPENBLAS_", "PYTHON", "PYTORCH_", "SCIPY_", "SKLEARN_", "TORCH_", "_RJEM_"),
)
_READ_AT_IMPORT_TOO = {
    *("HOME", "LANG", "LANGUAGE", "LEPTON_PRELOAD", "MPLCONFIGDIR", "MLFLOW_CONFIGURE_LOGGING", "MLFLOW_LOGGING_LEVEL"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
}
_RECORDS = (".dist-info", ".egg-info", ".pth")
# These a child puts right for itself, or scikit-learn and Lightning set them when they are imported.
_SET_IN_CHILD = {
    *("OMP_NUM_THREADS", "PYTHONFAULTHANDLER", "PYTHONPATH", "PYTHONUNBUFFERED"),
    *("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "PYTORCH_NVML_BASED_CUDA_CHECK"),
}


class NotWarm(Exception):  # noqa: N818 -- not a fault: the caller starts the process in the ordinary way
    """No process can be forked from a template here and now; the text says why."""


class Place:
    """The files of one template, in a folder that nobody else can enter.

    Args:
        folder: private to its user.
        key: of all that its children have in common.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.socket = folder / f"{key}.sock"
        self.lock = folder / f"{key}.lock"
        self.log = folder / f"{key}.log"
        self.broken = folder / f"{key}.broken"


def locate(environment: Mapping[str, str]) -> Place:
    """The place of the template for processes with this environment; its folder is made when absent.

    Raises:
        NotWarm: there is no private folder.
    """
    about = [
        os.path.realpath(sys.executable),
        sys.prefix,
        sys.version,
        _chosen(environment),
        installed(),
        *_confinement(),
    ]
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    return Place(_folder(environment), key)


def installed() -> str:
    """The state of what is installed: another text when a package or this room was added, changed or removed."""
    state = hashlib.sha256()
    for place, ends in (*((place, _RECORDS) for place in _site_folders()), (str(Path(__file__).parent), (".py",))):
        with os.scandir(place) as entries:
            found = sorted(
                (one.name, one.stat().st_mtime_ns, one.inode()) for one in entries if one.name.endswith(ends)
            )
        state.update(repr(found).encode())
    return state.hexdigest()


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a template: nothing but what its key is made of, and what no library's import depends on."""
    return {
        "PATH": environment.get("PATH", os.defpath),
        "TMPDIR": tempfile.gettempdir(),
        # A driver that has been asked for devices cannot be used in a forked process.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        # A thread of its own, started by the import.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        **_chosen(environment),
    }


def _chosen(environment: Mapping[str, str]) -> dict[str, str]:
    # Threads that wait for each other must not spin: on a busy machine they would spin for the whole time.
    return {"OMP_WAIT_POLICY": "PASSIVE", **{name: environment[name] for name in environment if _matters(name)}}


def _matters(name: str) -> bool:
    if name in _SET_IN_CHILD:
        return False
    return name in _READ_AT_IMPORT_TOO or name.startswith(_READ_AT_IMPORT)


@cache
def _site_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return tuple(sorted(path for path in paths if path and Path(path).is_dir()))


def _confinement() -> list[object]:
    """What a child has from its parent and cannot change: user, groups, control group, namespaces."""
    spaces = [str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("mnt", "net", "pid", "ipc", "user", "uts")]
    groups = Path("/proc/self/cgroup").read_text()
    return [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups()), groups, spaces]


def _is_safe(parent: Path) -> bool:
    """Whether nobody else can put something else in the place of a folder of ours in it."""
    if not parent.is_dir():
        return False
    found = parent.stat()
    if found.st_mode & stat.S_ISVTX:
        return True
    return found.st_uid in (os.geteuid(), 0) and not stat.S_IMODE(found.st_mode) & 0o022


def _folder(environment: Mapping[str, str]) -> Path:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    name = f"lepton-warm-{os.geteuid()}"
    places = [Path(runtime)] if runtime and Path(runtime).is_absolute() else []
    for parent in (*places, Path(tempfile.gettempdir())):
        folder = parent / name
        if len(os.fsencode(folder)) > _LONGEST_FOLDER or not _is_safe(parent):
            continue
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise NotWarm(f"{folder} is not a private folder of this user")
        return folder
    raise NotWarm("there is no folder for a private socket")
