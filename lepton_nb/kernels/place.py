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

from .order import resource_limits
from .waiting import sleeping

__all__ = ["NotWarm", "Place", "installed", "locate", "preload_path", "surroundings"]

# A Unix socket's path holds 107 bytes; the name of ours takes 22.
_LONGEST_FOLDER = 85
# What libraries read while they are imported. What they read later is the child's own.
_READ_AT_IMPORT = (
    *(
        "AOTINDUCTOR_",
        "AOT_INDUCTOR_",
        "ARROW_",
        "ATEN_",
        "BENTOML_",
        "BLIS_",
        "FSSPEC_",
        "GIT_PYTHON_",
        "GLIBC_",
        "GOMP_",
        "GRPC_",
    ),
    *(
        "INDUCTOR_",
        "JOBLIB_",
        "JUPYTER_WIDGETS_",
        "KMP_",
        "LC_",
        "LD_",
        "LOKY_",
        "MALLOC_",
        "MKL_",
        "MPMATH_",
        "MSGPACK_",
        "NETWORKX_",
    ),
    *(
        "NPY_",
        "NUMEXPR_",
        "NUMPY_",
        "OMP_",
        "OPENBLAS_",
        "OTEL_",
        "PANDAS_",
        "PILLOW_",
        "PROTOCOL_BUFFERS_",
        "PYDANTIC_",
    ),
    *("PYTHON", "PYTORCH_", "PYZMQ_", "SCIPY_", "SKLEARN_", "SYMPY_", "TORCH", "TORNADO_", "TQDM_", "_RJEM_"),
)
_READ_AT_IMPORT_TOO = {
    *("HOME", "JSM_NAMESPACE_RANK", "LANG", "LANGUAGE", "LEPTON_PRELOAD", "LOCAL_RANK", "MPLCONFIGDIR"),
    *("MLFLOW_CONFIGURE_LOGGING", "MLFLOW_LOGGING_LEVEL", "NBFORMAT_VALIDATOR", "RANK", "SLURM_PROCID"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
}
# What modules of `LEPTON_PRELOAD` read nobody knows: all but what a terminal, a session or a kernel has for itself.
_PASSING = (
    "DBUS_",
    "JPY_",
    "LEPTON_",
    "PYDEVD_",
    "PYTEST_",
    "SSH_",
    "SUDO_",
    "TERM",
    "TMUX",
    "VSCODE_",
    "XDG_SESSION_",
)
_PASSING_TOO = {
    *("CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "COLUMNS", "DISPLAY", "FORCE_COLOR", "GIT_PAGER", "INVOCATION_ID"),
    *("JOURNAL_STREAM", "LINES", "LS_COLORS", "OLDPWD", "PAGER", "PS1", "PWD", "SHLVL", "STY", "WINDOWID", "_"),
}
_RECORDS = (".dist-info", ".egg-info", ".pth")
# These a child puts right for itself, or scikit-learn and Lightning set them when they are imported.
_SET_IN_CHILD = {
    *("BENTOML_DO_NOT_TRACK", "BENTOML_HOME"),
    *("MATPLOTLIBRC", "MPLBACKEND", "OMP_NUM_THREADS", "PYTHONFAULTHANDLER", "PYTHONPATH", "PYTHONUNBUFFERED"),
    *("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "PYTORCH_NVML_BASED_CUDA_CHECK"),
    *("TMPDIR", "TORCHINDUCTOR_CACHE_DIR", "TZ"),
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
        preload_path(environment),
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
    named = bool(environment.get("LEPTON_PRELOAD"))
    chosen = {name: environment[name] for name in environment if _matters(name, named)}
    return {**sleeping(), **chosen}


def _matters(name: str, named: bool) -> bool:
    """Whether a variable is part of what a template's children have in common; `named`: it has more to import."""
    if name in _SET_IN_CHILD:
        return False
    if name in _READ_AT_IMPORT_TOO or name.startswith(_READ_AT_IMPORT):
        return True
    return named and name not in _PASSING_TOO and not name.startswith(_PASSING)


@cache
def _site_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return tuple(sorted(path for path in paths if path and Path(path).is_dir()))


def preload_path(environment: Mapping[str, str]) -> str:
    """Where a template looks for the modules of `LEPTON_PRELOAD` first: `PYTHONPATH`, when it is asked for any."""
    return environment.get("PYTHONPATH", "") if environment.get("LEPTON_PRELOAD") else ""


def _confinement() -> list[object]:
    """What a child has from its parent and cannot change.

    User, groups, control group, namespaces and capabilities, and what only the privileged may widen: hard limits and
    priority.
    """
    spaces = [str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("mnt", "net", "pid", "ipc", "user", "uts")]
    own = ("Cap", "NoNewPrivs:", "Seccomp:")
    rights = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(own)]
    hard = {number: limits[1] for number, limits in resource_limits().items()}
    priority = [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)]
    groups = Path("/proc/self/cgroup").read_text()
    users = [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())]
    return [*users, groups, spaces, rights, hard, priority, Path("/proc/self/oom_score_adj").read_text()]


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
