"""Where a step's files may be, and which step must wait for which because of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...errors import PipelineError
from ...workspace import current, nearest_root
from .spec import Pipeline, StepSpec

__all__ = ["Places", "readers"]


class Places:
    """The project around a pipeline file.

    Args:
        pipeline: the file.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.folder = pipeline.path.parent
        root = current(self.folder).root.resolve()
        self.root = root if self.folder.is_relative_to(root) else nearest_root(self.folder)
        sources = {step.notebook: f"the notebook of step {step.name!r}" for step in reversed(pipeline.steps)}
        # What each file of the pipeline, and each folder around one, holds.
        self._holds: dict[Path, str] = {}
        for path, what in (sources | {pipeline.path: "the pipeline file itself"}).items():
            for place in (path, *path.parents):
                self._holds[place] = what

    def of(self, text: str, where: str) -> Path:
        """The place of a file, written relative to the project root where kernels work; links are followed.

        Raises:
            PipelineError: it is outside of the project.
        """
        try:
            path = (self.root / text).resolve()
            # A name that the system refuses, such as one too long, is told here.
            path.exists()
        except (OSError, ValueError, RuntimeError) as cause:
            raise PipelineError(f"{where}: {text!r} is no name of a file", got=str(cause)) from cause
        if not text.strip() or not path.is_relative_to(self.root) or path == self.root:
            raise PipelineError(f"{where}: {text!r}", expected=f"a file inside of {self.root}", got=f"{path}")
        return path

    def check_writable(self, path: Path, where: str) -> None:
        """Refuse to have a step's own sources, or what this suite keeps, made by a step.

        Raises:
            PipelineError: it is one of these, or a folder that holds one.
        """
        if path in self._holds:
            raise PipelineError(
                f"{where}: {path} holds {self._holds[path]}", expected="a file that only this step makes"
            )
        if path.is_relative_to(self.root / ".lepton"):
            raise PipelineError(f"{where}: {path}", expected="a file outside of .lepton, which keeps what was run")


def readers(steps: Iterable[StepSpec], where: str) -> dict[str, set[str]]:
    """For each step that reads what others make, these others.

    A folder stands for all that it holds.

    Args:
        steps: of a plan, with their files' places.
        where: how messages call the pipeline.

    Raises:
        PipelineError: two steps make one file, or one the folder that holds the other's; or nobody makes a file that
            a step reads, and it does not exist.
    """
    steps = tuple(steps)
    makers = {path: step.name for step in reversed(steps) for path in step.writes}
    holders: dict[Path, list[str]] = {}
    for step in steps:
        for path in step.writes:
            _check_alone(path, step.name, makers, where)
            for folder in path.parents:
                holders.setdefault(folder, []).append(step.name)
    needs: dict[str, set[str]] = {}
    for step in steps:
        for path in step.inputs:
            made = {makers[one] for one in (path, *path.parents) if one in makers} | {*holders.get(path, ())}
            if step.name in made:
                raise PipelineError(f"{where}: step {step.name!r} reads {path}, which it makes itself")
            if not made and not path.exists():
                raise PipelineError(
                    f"{where}: step {step.name!r} reads {path}, which does not exist",
                    hint="make the file, or declare it under `writes` of the step that makes it",
                )
            needs.setdefault(step.name, set()).update(made)
    return needs


def _check_alone(path: Path, name: str, makers: dict[Path, str], where: str) -> None:
    for held in (path, *path.parents):
        other = makers.get(held, name)
        if other != name:
            # `makers` holds the first of two.
            first, second = (other, name) if held == path else (name, other)
            what = f"both write {path}" if held == path else f"write {path} and {held}, which holds it"
            raise PipelineError(
                f"{where}: steps {first!r} and {second!r} {what}",
                expected="each file written by one step",
                hint="give them different names, in a grid by {NAME} of its foreach",
            )
