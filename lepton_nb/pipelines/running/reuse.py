"""Is a step's result here already: in this run, in the cache, or in an earlier run?"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import LeptonError, PipelineError, StorageError
from ...workspace import Workspace, mask_all, read_json, resolve_secret, secret_names, write_atomic
from ..cache import Entry, Sources, Store, stamp
from ..executors import StepResult
from ..history import Earlier, Ledger
from ..outputs import read_outputs
from ..planning import StepSpec
from .scheduling import live, unsaid_needs

__all__ = ["Reuse"]


class Reuse:
    """Names the results of a run's steps, and takes over those that are here.

    Args:
        ws: the workspace.
        ledger: of the run.
        anew: steps whose earlier results are not wanted.
        donor: an earlier run's records, by step; its live steps count as this run's.
    """

    def __init__(
        self, ws: Workspace, ledger: Ledger, anew: frozenset[str], donor: Mapping[str, Earlier] | None = None
    ) -> None:
        self.ledger, self.anew, self.donor = ledger, anew, donor or {}
        self.store, self.sources = Store(ws.home / "cache", ws.root), Sources(ws.root)
        self._live = live(ledger.plan)
        self._before: dict[str, list[object]] = {}

    def cacheable(self, name: str) -> bool:
        """Whether the step's result may be taken from the cache: nothing live is in it or ahead of it."""
        return name not in self._live

    def key(self, step: StepSpec, parameters: Mapping[str, Any]) -> str:
        """What names the result of a step whose needs have ended; nothing for one that always runs.

        Raises:
            LeptonError: a file that it reads is not there.
        """
        if step.always:
            return ""
        plan, unsaid = self.ledger.plan, unsaid_needs(self.ledger.plan, step)
        # No names: a step that was renamed is the same.
        needs: list[Any] = [self.ledger.steps[name].key for name in plan.needs[step.name] if name in unsaid]
        needs += [self.ledger.written[name] for name in plan.needs[step.name] if self.ledger.written.get(name)]
        if not self.cacheable(step.name):
            needs.append(self.ledger.asked.nonce)
        return self.sources.key(step.notebook, parameters, inputs=step.inputs, writes=step.writes, needs=needs)

    def restore(self, step: StepSpec, key: str) -> tuple[bool, str]:
        """Record a step as done when its result is here.

        Returns:
            Whether it was; and what was wrong with a result that could not be used, else nothing.
        """
        if not key or step.name in self.anew:
            return False, ""
        old, executed = self.ledger.earlier.get(step.name), self.ledger.steps[step.name].notebook
        if old and self._stands(old, key, executed):
            self.ledger.restore(step.name, old)
            return True, ""
        if self.cacheable(step.name):
            entry, wrong = self.store.take(key, executed, {self.sources.name(path) for path in step.writes})
            if entry:
                self.ledger.written[step.name] = entry.writes
                self.ledger.update(
                    step.name, status="completed", outputs=entry.outputs, seconds=entry.seconds,
                    peak_memory_mb=entry.peak_memory_mb, cached=True, error="", cell=None,
                    note="" if entry.step == step.name else f"computed for step {entry.step!r}",
                )  # fmt: skip
                return True, ""
            if wrong:
                return False, wrong
        given = self.donor.get(step.name)
        if given and self._stands(given, key, given.step.notebook):
            write_atomic(executed, given.step.notebook.read_bytes(), sync=False)
            self.ledger.restore(
                step.name, given, cached=True, note=f"taken over from run {given.step.notebook.parent.name}"
            )
            return True, ""
        return False, ""

    def recovered(self, step: StepSpec, key: str) -> StepResult | None:
        """The result of a step that ended, and whose runner was killed before it was recorded."""
        old = self.ledger.earlier.pop(step.name, None)
        if not key or not old or old.step.status == "completed" or old.step.key != key:
            return None
        folder = self.ledger.folder / step.name
        try:
            told = read_json(folder / "result.json")
            if told["status"] != "completed" or not _is_notebook(old.step.notebook):
                return None
            for secret in secret_names(dict(old.step.parameters)):
                # Its value is no part of a record; one that is not there any more cannot be told from other text.
                with contextlib.suppress(LeptonError):
                    resolve_secret(secret)
            outputs = mask_all(read_outputs(folder / "outputs.jsonl"))
            seconds = max(0.0, (folder / "result.json").stat().st_mtime - (old.started or 0.0))
        except (OSError, LeptonError, KeyError):
            return None
        return StepResult(step.name, "completed", outputs, seconds)

    def remember(self, step: StepSpec) -> None:
        """Look at what lies where a step that begins declares to write."""
        self._before[step.name] = [stamp(path) for path in step.writes]

    def written(self, step: StepSpec) -> dict[str, str]:
        """SHA-256 of the files that a step declares to make.

        Raises:
            PipelineError: one of them is not there, cannot be read, or is as it was before the step.
        """
        try:
            for path, before in zip(step.writes, self._before.pop(step.name, ()), strict=False):
                if before and before == stamp(path):
                    raise StorageError(f"{path} is as it was before the step")
            return self.sources.digests(step.writes)
        except LeptonError as error:
            raise PipelineError(
                f"step {step.name!r} did not make a file that it declares under `writes`", got=error.what
            ) from error

    def keep(self, step: StepSpec, key: str, parameters: Mapping[str, Any], result: StepResult) -> str:
        """Put a result into the cache when it belongs there; why it could not be, else nothing."""
        if not key or not self.cacheable(step.name):
            return ""
        try:
            if self.key(step, parameters) != key:
                return "not kept in the cache: what it reads changed while it ran"
            writes = self.sources.digests(step.writes)
        except LeptonError as error:
            return f"not kept in the cache: {error.what}"
        entry = Entry(key, step.name, dict(result.outputs), result.seconds, result.peak_memory_mb, writes)
        wrong = self.store.keep(entry, self.ledger.steps[step.name].notebook)
        return f"not kept in the cache: {wrong}" if wrong else ""

    def _stands(self, old: Earlier, key: str, notebook: Path) -> bool:
        """Whether a record is of this very key, with its notebook and its files as they were."""
        if old.step.status != "completed" or old.step.key != key or not _is_notebook(notebook):
            return False
        try:
            return self.sources.digests(self.sources.root / name for name in old.written) == dict(old.written)
        except LeptonError:
            return False


def _is_notebook(path: Path) -> bool:
    try:
        return "cells" in json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
