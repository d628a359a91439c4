"""Which kernel a notebook gets."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import Config

from ...kernels.warm import WarmKernelManager

__all__ = ["for_client"]

# A Unix socket's path holds 107 bytes at most.
_LONGEST_SOCKET_FOLDER = 85
_PYTHON = re.compile(r"python(3(\.\d+)?)?(\.exe)?")
# Its search through all installed packages is done once for all processes that are forked after this import.
KernelProvisionerFactory.instance()
_PROVISIONERS = {None, "local-provisioner", "lepton-provisioner"}


def for_client(kernel_name: str, is_python: bool, sockets: Path) -> dict[str, Any]:
    """The options of nbclient that decide which kernel is started.

    Args:
        kernel_name: the kernel spec.
        is_python: whether the notebook says that it is written in Python.
        sockets: an empty private folder.

    Returns:
        The warm kernel when the spec is IPython's of this very interpreter, or is not installed and the notebook is
        in Python; else the kernel of the spec.
    """
    try:
        spec = KernelSpecManager().get_kernel_spec(kernel_name)
    except NoSuchKernel:
        if not is_python:
            raise
    else:
        if not _is_ours(spec):
            return {"kernel_name": kernel_name}
    # Nothing can connect to a socket in this folder from elsewhere, and two kernels never choose the same port.
    fits = sys.platform != "win32" and len(str(sockets)) <= _LONGEST_SOCKET_FOLDER
    connection = {"transport": "ipc" if fits else "tcp", "connection_file": str(sockets / "kernel.json")}
    # nbclient asks the manager for a kernel of this name; the warm one has only one to give.
    return {
        "kernel_name": kernel_name,
        "kernel_manager_class": WarmKernelManager,
        "config": Config(ConnectionFileMixin=connection),
    }


def _is_ours(spec: KernelSpec) -> bool:
    """Whether a spec starts IPython's kernel in this interpreter, and asks for nothing else."""
    (program, *arguments) = spec.argv or [""]
    options = [word for word in arguments if not word.startswith("-Xfrozen_modules")]
    if options != ["-m", "ipykernel_launcher", "-f", "{connection_file}"] or spec.env:
        return False
    if (spec.metadata.get("kernel_provisioner") or {}).get("provisioner_name") not in _PROVISIONERS:
        return False
    # Two environments may share one program by links: its folder tells them apart.
    place, own = Path(program), Path(sys.executable)
    if not _PYTHON.fullmatch(place.name):
        return False
    return place.name == program or place.parent.resolve() == own.parent.resolve()
