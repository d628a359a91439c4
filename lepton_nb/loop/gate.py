"""May the challenger answer? Conditions in YAML, decided by what was measured; what cannot be decided is a no."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import FormatError, LeptonError, NotFoundError, RuleError
from ..rules import UNKNOWN, evaluate, names

__all__ = ["Gate", "Verdict"]

_FORMAT = 1
_DEFAULT = Path(__file__).with_name("gate.yml")
_KEYS = {"format", "rows", "conditions", "trusted"}


@dataclass(frozen=True)
class Verdict:
    """What the gate said.

    Args:
        passed: every condition held.
        reasons: one line for each that did not, or could not be decided.
    """

    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    """What a challenger must show.

    Args:
        rows: the fewest rows that anything is said of.
        conditions: rules by their names.
        trusted: rules that are asked as well where there is a trusted set; without any, those that are built in.
    """

    rows: int
    conditions: Mapping[str, str]
    trusted: Mapping[str, str]

    @classmethod
    def read(cls, path: Path | None = None) -> Gate:
        """The gate of a file, or the one that is built in.

        Raises:
            NotFoundError: there is no such file.
            FormatError: it is no gate; the message names the key.
            RuleError: a condition is no rule.
        """
        path = path or _DEFAULT
        if not path.is_file():
            raise NotFoundError(f"{path} does not exist", expected="a gate: a .yml file with conditions")
        try:
            body = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as cause:
            raise FormatError(f"{path} is not YAML", got=str(cause).splitlines()[0]) from cause
        return _gate(path, body)

    def judge(self, facts: Mapping[str, Any]) -> Verdict:
        """Whether a challenger passes.

        Args:
            facts: what was measured, by the names that conditions use. What hangs on a number that is none (NaN)
                cannot be decided, whichever way round it is asked.

        Example:
            >>> Gate(10, {"quality": "p_value < 0.05"}, {}).judge({"rows": 50, "p_value": 0.2})
            Verdict(passed=False, reasons=('quality: p_value < 0.05 does not hold (p_value 0.2)',))
        """
        if not (count := int(facts.get("rows", 0))) >= self.rows:
            return Verdict(False, (f"{count} gate rows are too few, expected at least {self.rows}",))
        asked = dict(self.conditions)
        if any(name.startswith("trusted.") for name in facts):
            trusted = self.trusted or Gate.read().trusted
            asked |= {f"trusted {name}": rule for name, rule in trusted.items()}
        reasons = tuple(filter(None, (_fault(name, rule, facts) for name, rule in asked.items())))
        return Verdict(not reasons, reasons)


def _fault(name: str, rule: str, facts: Mapping[str, Any]) -> str:
    """Why a condition stands in the way; empty when it does not."""
    try:
        held = evaluate(rule, {one: _known(value) for one, value in facts.items()})
    except LeptonError as cause:
        return f"{name} cannot be decided: {cause}"
    if held is True:
        return ""
    if held is not False and held is not UNKNOWN:
        return f"{name} cannot be decided: {rule} is neither true nor false"
    shown = ", ".join(f"{one} {_cell(facts[one])}" for one in names(rule) if one in facts)
    return f"{name}: {rule} {'cannot be decided' if held is UNKNOWN else 'does not hold'} ({shown})"


def _known(value: Any) -> Any:
    return UNKNOWN if isinstance(value, float) and math.isnan(value) else value


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _gate(path: Path, body: Any) -> Gate:
    if not isinstance(body, dict) or not isinstance(body.get("conditions"), dict) or not body["conditions"]:
        raise FormatError(
            f"{path} is no gate", expected="conditions: {quality: challenger.accuracy > champion.accuracy}"
        )
    if unknown := sorted(set(map(str, body)) - _KEYS):
        raise FormatError(f"{path} has an unknown key {unknown[0]!r}", expected=", ".join(sorted(_KEYS)))
    found = body.get("format", _FORMAT)
    if not isinstance(found, int) or found > _FORMAT:
        raise FormatError(f"{path} has format {found}", expected=f"format {_FORMAT} or older", hint="upgrade lepton_nb")
    rows, trusted = body.get("rows", 100), body.get("trusted") or {}
    if type(rows) is not int or rows < 1:
        raise FormatError(f"{path} has no number of rows", expected="rows: 100", got=str(rows))
    if not isinstance(trusted, dict):
        raise FormatError(f"{path}: trusted has no conditions", expected="a name and a rule for each")
    for name, rule in (*body["conditions"].items(), *trusted.items()):
        try:
            # A bare number or true is a value and no rule: it is asked as text.
            names(rule if isinstance(rule, str) else "")
        except RuleError as cause:
            raise RuleError(
                f"{path}, condition {name!r}: {cause.what}", expected=cause.expected, got=cause.got
            ) from cause
    conditions = {str(name): rule for name, rule in body["conditions"].items()}
    return Gate(rows, conditions, {str(name): rule for name, rule in trusted.items()})
