"""How a step gets to a node and back: by a folder that both see, or through a store behind an fsspec URL.

Every attempt of a step works in a place of its own, and only the one that ended is taken over: what an attempt on a
lost node had begun is never seen.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Protocol

import psutil

from ...errors import MissingError, PipelineError, UsageError
from .protocol import StepJob

__all__ = ["SHARE", "Share", "share_at"]

SHARE = "LEPTON_SHARE"
_ATTEMPT = "attempt-"
_EXECUTED = "executed.ipynb"
_NOTEBOOK = "notebook.ipynb"
_SCRATCH = "lepton-node-"
# Nothing is removed that does not hold it: a folder of that name may be anybody's.
_MARK = ".lepton-node"
_SKIPPED = {"node_modules", "__pycache__", "site-packages"}


class Share(Protocol):
    """Carries steps."""

    def send(self, job: StepJob) -> str:
        """Bring a job to where nodes find it; the text names it."""

    def attempt(self, job: StepJob, name: str) -> contextlib.AbstractContextManager[tuple[StepJob, str]]:
        """On a node: the job as it is executed there, and the attempt's name; at the end, what it made is sent."""

    def collect(self, job: StepJob, name: str, attempt: str | None) -> None:
        """Take over what an attempt made (None: no attempt ended), and leave nothing of the others."""


def share_at(url: str | None) -> Share:
    """The share at an fsspec URL, or the folders themselves when there is none.

    Raises:
        UsageError: what lies behind the URL is no place that two machines see.
        MissingError: what this kind of URL needs is not installed.
    """
    return _Store(url) if url else _Folder()


class _Folder:
    """The project and the workspace lie on the nodes under the same paths as here."""

    def send(self, job: StepJob) -> str:
        return ""

    @contextlib.contextmanager
    def attempt(self, job: StepJob, name: str) -> Iterator[tuple[StepJob, str]]:
        for folder in (job.folder, job.cwd):
            if not folder.is_dir():
                raise PipelineError(
                    f"node {platform.node()} does not see {folder}",
                    hint=f"mount it there under the same path, or set {SHARE} to an fsspec URL that all nodes reach",
                )
        place = Path(tempfile.mkdtemp(prefix=_ATTEMPT, dir=job.folder))
        yield replace(job, folder=place, executed=place / _EXECUTED), place.name

    def collect(self, job: StepJob, name: str, attempt: str | None) -> None:
        begun = sorted(job.folder.glob(f"{_ATTEMPT}*"), key=lambda place: place.stat().st_mtime)
        place = job.folder / attempt if attempt else next(iter(begun[::-1]), None)
        if place and (place / _EXECUTED).exists():
            (place / _EXECUTED).replace(job.executed)
        for file in place.iterdir() if place and attempt else ():
            file.replace(job.folder / file.name)
        for rest in begun:
            shutil.rmtree(rest, ignore_errors=True)


class _Store:
    """A job and what came of it are one archive each: a reader finds the whole of it or nothing."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec

            self.files, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as cause:
            kind = MissingError if isinstance(cause, ImportError) else UsageError
            raise kind(f"{SHARE}={url} cannot be used", got=str(cause), hint="pip install what fsspec names") from cause
        if "memory" in self.files.protocol:
            raise UsageError(f"{SHARE}={url} is seen by one process only", expected="an fsspec URL such as s3://BUCKET")

    def send(self, job: StepJob) -> str:
        name = f"lepton-{job.name}-{secrets.token_hex(8)}"
        members = {_NOTEBOOK: job.notebook}
        for file in (*_modules(job.cwd), *_files(job.cwd, job.inputs)):
            members[f"project/{_inside(job.cwd, file)}"] = file
        self._pack(f"{name}/job.zip", members)
        return name

    @contextlib.contextmanager
    def attempt(self, job: StepJob, name: str) -> Iterator[tuple[StepJob, str]]:
        _sweep()
        prefix = f"{_SCRATCH}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as text:
            place = Path(text).resolve()
            (place / _MARK).touch()
            project, folder, attempt = place / "project", place / "step", f"{_ATTEMPT}{secrets.token_hex(8)}"
            project.mkdir()
            folder.mkdir()
            with self._open(f"{name}/job.zip") as archive:
                archive.extractall(place)
            environment = {key: _moved(value, job.cwd, project) for key, value in job.environment.items()}
            here = replace(job, notebook=place / _NOTEBOOK, executed=folder / _EXECUTED, folder=folder, cwd=project)
            yield replace(here, environment=environment), attempt
            made = {file.name: file for file in folder.iterdir() if file.is_file()}
            for file in _files(project, tuple(Path(_inside(job.cwd, one)) for one in job.writes)):
                if file.is_file():
                    made[f"project/{_inside(project, file)}"] = file
            self._pack(f"{name}/{attempt}.zip", made)

    def collect(self, job: StepJob, name: str, attempt: str | None) -> None:
        try:
            if attempt:
                with self._open(f"{name}/{attempt}.zip") as archive:
                    self._unpack(archive, job)
        finally:
            with contextlib.suppress(FileNotFoundError):
                self.files.rm(f"{self.root}/{name}", recursive=True)

    def _unpack(self, archive: zipfile.ZipFile, job: StepJob) -> None:
        wanted = {PurePosixPath("project", _inside(job.cwd, file)): job.cwd / file for file in job.writes}
        for member in archive.namelist():
            plain = job.folder / member if PurePosixPath(member).name == member else None
            inside = PurePosixPath(member)
            # A declared file, or one in a declared folder.
            held = next((one for one in (inside, *inside.parents) if one in wanted and ".." not in inside.parts), None)
            made = wanted[held] / inside.relative_to(held) if held else plain
            target = job.executed if member == _EXECUTED else made
            if target:
                target.parent.mkdir(parents=True, exist_ok=True)
                with (
                    archive.open(member) as source,
                    tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as new,
                ):
                    shutil.copyfileobj(source, new)
                Path(new.name).replace(target)

    def _pack(self, name: str, members: dict[str, Path]) -> None:
        target = f"{self.root}/{name}"
        self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
        kind = zipfile.ZIP_DEFLATED
        with self.files.open(target, "wb") as stream, zipfile.ZipFile(stream, "w", kind, compresslevel=1) as archive:
            for member, file in members.items():
                archive.write(file, member)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[zipfile.ZipFile]:
        with self.files.open(f"{self.root}/{name}", "rb") as stream, zipfile.ZipFile(stream) as archive:
            yield archive


def _sweep() -> None:
    """Remove what this user's tasks left on this node when they were killed."""
    for place in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        owner = place.name.removeprefix(_SCRATCH).partition("-")[0]
        ours = owner.isdecimal() and len(owner) < 10 and (place / _MARK).exists()
        if ours and not psutil.pid_exists(int(owner)):
            # Other users' folders stay: they cannot be removed.
            shutil.rmtree(place, ignore_errors=True)


def _modules(root: Path) -> Iterator[Path]:
    """The project's own modules: what a notebook there may import."""
    for folder, folders, files in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED and name[0] != "." and not (Path(folder) / name / "pyvenv.cfg").exists()
        ]
        yield from (Path(folder) / name for name in files if name.endswith(".py"))


def _files(root: Path, declared: tuple[Path, ...]) -> Iterator[Path]:
    for path in map(root.joinpath, declared):
        yield from (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)


def _inside(root: Path, file: Path) -> str:
    """Where in the project a file lies."""
    return Path(os.path.relpath(root / file, root)).as_posix()


def _moved(value: str, root: Path, there: Path) -> str:
    """The value of a variable, with a path in the project turned into the one it has on the node."""
    return f"{there}{value.removeprefix(str(root))}" if Path(value).is_relative_to(root) else value
