"""The class behind `papermill --engine lepton`.

Papermill loads it whenever it is imported, by anyone, and while it is itself half imported: nothing here may import
Papermill, or anything heavy, at its top.
"""

from __future__ import annotations

from typing import Any

from .parameters import LANGUAGE, PythonParameters, is_python, language_of

__all__ = ["LeptonEngine"]


class LeptonEngine:
    """Executes a notebook for Papermill, with statuses that are true and files that are always whole."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook whose parameters Papermill has put in.

        Args:
            nb: the notebook; it is changed in place.
            kernel_name: the kernel spec.
            options: what Papermill was asked for.

        Returns:
            The notebook. A cell that failed is found by Papermill, in the notebook; it fails for one whose tag
            `raises-exception` allows an error as well, after the cells behind it were executed.

        Raises:
            UsageError: a parameter that the notebook does not declare; nothing was executed or written.
            DeadKernelError: the kernel died.
            CellTimeoutError: a cell took too long.
            PapermillExecutionError: the notebook ended itself before its last cell.
        """
        from .session import run

        return run(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """The kernel that is asked for, else the notebook's own, else one of this interpreter."""
        return str(name or nb.metadata.get("kernelspec", {}).get("name") or "python3")

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """The language whose translator writes the injected cell: ours for Python, Papermill's for any other."""
        language = language or language_of(nb)
        if not is_python(language):
            return language
        from papermill.translators import papermill_translators

        papermill_translators.register(LANGUAGE, PythonParameters)
        return LANGUAGE
