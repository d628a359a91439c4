"""The warm kernel of the running interpreter, whatever kernel specs are installed."""

from __future__ import annotations

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

__all__ = ["WarmKernelManager", "warm_spec"]


def warm_spec() -> KernelSpec:
    """The kernel spec `lepton`, for the running interpreter."""
    import sys

    return KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3 (Lepton)",
        language="python",
        metadata={"debugger": True, "kernel_provisioner": {"provisioner_name": "lepton-provisioner"}},
    )


class WarmKernelManager(AsyncKernelManager):
    """A kernel manager for nbclient and Papermill (`kernel_manager_class`)."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The warm kernel's."""
        return warm_spec()
