"""What `lepton doctor` found."""

from __future__ import annotations

from dataclasses import dataclass

from .shown import Result, Table

__all__ = ["Diagnosis", "Finding"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        what: such as `torch` or `store`.
        ok: whether it works.
        detail: a version, a path, or what went wrong.
        verbs: the verbs that need it.
        hint: the next step when it does not work.
    """

    what: str
    ok: bool
    detail: str
    verbs: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Diagnosis(Result):
    """Everything looked at, in order."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything works."""
        return all(finding.ok for finding in self.findings)

    def table(self) -> Table:
        """One line per finding."""
        rows = [(f.what, "ok" if f.ok else "MISSING", f.detail, f.verbs, f.hint) for f in self.findings]
        bad = sum(not f.ok for f in self.findings)
        note = f"{bad} of {len(rows)} need attention" if bad else "all works"
        return Table("doctor", ("what", "state", "detail", "needed by", "next"), rows, note)
