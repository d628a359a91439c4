"""Which model answers in a deployment, changed while it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from typing import Any

from ..errors import NotFoundError, ServingError, UsageError
from ..records import Bento, Deployment, Note, Report, silent
from ..runtime import (
    CHALLENGER,
    CHAMPION,
    ModelError,
    Plan,
    Slot,
    read_object,
    read_plan,
    read_signature,
    verify_manifest,
)
from ..workspace import Workspace, write_json
from .deployed import get, get_held, hold, write

__all__ = ["promote", "rollback"]

HISTORY = "slots-history.jsonl"
# A large model takes a while to load.
_PATIENCE_S = 120.0
_EVERY_S = 0.01


def promote(
    ws: Workspace,
    name: str,
    bento: Bento | None = None,
    *,
    canary: float = 0.0,
    shadow: bool = False,
    why: str = "",
    report: Report = silent,
) -> Deployment:
    """Have a Bento answer in a deployment.

    Args:
        ws: the workspace.
        name: of the deployment.
        bento: what shall answer; None for the challenger.
        canary: share of the keys that it answers as challenger; 0 for all requests, as champion.
        shadow: whether it answers everything as challenger, unseen.
        why: reason, for the record.
        report: hears what happens.

    Returns:
        The deployment, when every worker answers from it.

    Raises:
        UsageError: there is no challenger, or a canary is asked for without a Bento.
        ServingError: the Bento cannot be served here, or a worker does not follow; then all is as before.
    """
    is_challenger = bool(canary) or shadow
    if bento is not None:
        _check(bento)

    def change(plan: Plan) -> tuple[Plan, str]:
        if bento is not None:
            _check_answers(plan, bento, name)
        chosen = plan.slots.get(CHALLENGER) if bento is None else Slot(bento.tag, bento.model.resolve())
        if chosen is None:
            raise UsageError(
                f"deployment {name!r} has no challenger",
                expected="a BENTO to promote",
                hint=f"lepton promote {name} BENTO",
            )
        if is_challenger:
            slots = {CHAMPION: plan.slots[CHAMPION], CHALLENGER: chosen}
            return dataclasses.replace(plan, slots=slots, canary=canary, shadow=shadow), "challenge"
        before = plan.slots[CHAMPION]
        previous = plan.previous if before == chosen else before
        return Plan({CHAMPION: chosen}, previous=previous), "promote"

    return _changed(ws, name, change, why, report)


def rollback(ws: Workspace, name: str, *, why: str = "", report: Report = silent) -> Deployment:
    """Take the challenger away; without one, have the champion before this one answer again.

    Args:
        ws: the workspace.
        name: of the deployment.
        why: reason, for the record.
        report: hears what happens.

    Raises:
        UsageError: there is nothing to go back to.
        ServingError: a worker does not follow; then all is as before.
    """

    def change(plan: Plan) -> tuple[Plan, str]:
        if CHALLENGER in plan.slots:
            return Plan({CHAMPION: plan.slots[CHAMPION]}, previous=plan.previous), "withdraw"
        if plan.previous is None:
            raise UsageError(f"deployment {name!r} has nothing to go back to", expected="a promotion before")
        return Plan({CHAMPION: plan.previous}, previous=plan.slots[CHAMPION]), "rollback"

    return _changed(ws, name, change, why, report)


def _check(bento: Bento) -> None:
    try:
        verify_manifest(bento.model)
    except (ModelError, OSError) as cause:
        raise ServingError(f"{bento.tag} cannot be served", got=str(cause), hint="package the run again") from cause


def _check_answers(plan: Plan, bento: Bento, name: str) -> None:
    """Whoever asks knows nothing of a change, so what is asked and how it is read must stay right."""
    champion = plan.slots[CHAMPION]
    try:
        before, after = read_signature(champion.path), read_signature(bento.model)
    except ModelError as cause:
        raise ServingError(f"{bento.tag} cannot be served", got=str(cause), hint="package the run again") from cause
    now, then = ({one.name: (one.kind, one.shape, one.dtype) for one in each.inputs} for each in (before, after))
    # What answered before this champion may always come back.
    is_back = plan.previous is not None and plan.previous.path == bento.model.resolve()
    # Quantiles that come beside the answers take nothing from whoever reads these.
    missing = not is_back and not set(before.quantiles) <= set(after.quantiles)
    if (before.task, before.answers) != (after.task, after.answers) or missing:
        raise UsageError(
            f"{bento.tag} answers otherwise than deployment {name!r}",
            expected=f"a {before.task} with the outputs of {champion.bento}",
            got=f"a {after.task} with {', '.join(one.name for one in after.outputs) or 'classes'}",
            hint="serve it under another name",
        )
    # Probabilities are read by their places: a class more may only stand behind those that are known.
    if after.classes[: len(before.classes)] != before.classes and not is_back:
        raise UsageError(
            f"{bento.tag} gives its probabilities in another order than deployment {name!r}",
            expected=f"the classes {', '.join(before.classes[:20])}, others behind them",
            got=", ".join(after.classes[:20]),
            hint="serve it under another name",
        )
    if now != then:
        different = min(set(now.items()) ^ set(then.items()))[0]
        raise UsageError(
            f"{bento.tag} takes other inputs than deployment {name!r}",
            expected=f"the inputs of {champion.bento}",
            got=f"a difference in {different!r}",
            hint="serve it under another name",
        )


def _changed(ws: Workspace, name: str, change: Any, why: str, report: Report) -> Deployment:
    get(ws, name)
    with hold(ws, name) as folder:
        deployment = get_held(ws, name)
        if deployment.status != "running":
            raise NotFoundError(
                f"deployment {name!r} does not run", got=deployment.status, hint=f"lepton serve {deployment.bento}"
            )
        path = folder / "slots.json"
        old = read_plan(path)
        new, action = change(old)
        new = dataclasses.replace(new, generation=old.generation + 1)
        begun = time.monotonic()
        write_json(path, new.to_dict())
        try:
            _await(deployment, new.generation)
        except BaseException:
            write_json(path, dataclasses.replace(old, generation=new.generation + 1).to_dict())
            # A worker that is still loading comes back to what stood before.
            with contextlib.suppress(ServingError):
                _await(deployment, new.generation + 1)
            raise
        entry = {
            "format": 1,
            "time": time.time(),
            "action": action,
            "generation": new.generation,
            "champion": new.slots[CHAMPION].bento,
            "challenger": new.slots[CHALLENGER].bento if CHALLENGER in new.slots else "",
            "before": old.slots[CHAMPION].bento,
            "canary": new.canary,
            "shadow": new.shadow,
            "why": why,
        }
        with (folder / HISTORY).open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        deployment = write(dataclasses.replace(deployment, bento=new.slots[CHAMPION].bento))
    report(Note(time.time(), f"{_told(action, new)} in {name} after {time.monotonic() - begun:.2f} s"))
    return deployment


def _told(action: str, plan: Plan) -> str:
    if action == "challenge":
        share = "everything, unseen" if plan.shadow and not plan.canary else f"{plan.canary:.0%} of the keys"
        return f"{plan.slots[CHALLENGER].bento} answers {share}"
    return f"{plan.slots[CHAMPION].bento} answers"


def _await(deployment: Deployment, generation: int) -> None:
    """Wait until every worker answers from a generation, those too that are only being started."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        workers = list(_workers(deployment))
        if refused := [one for one in workers if one.get("refused") == generation]:
            raise ServingError(
                f"deployment {deployment.name!r} did not change",
                got=str(refused[0]["error"]),
                hint=f"lepton logs {deployment.name}",
            )
        followed = [int(one["generation"]) >= generation for one in workers]
        if all(followed) and len(followed) >= deployment.workers:
            return
        time.sleep(_EVERY_S)
    raise ServingError(
        f"deployment {deployment.name!r} did not change",
        got=f"its workers did not follow within {_PATIENCE_S:g} s",
        hint=f"lepton logs {deployment.name}",
    )


def _workers(deployment: Deployment) -> Iterator[dict[str, Any]]:
    """What the living workers say; the number of one that was killed may be another process's by now."""
    import psutil

    for path in deployment.path.glob("worker-*.json"):
        try:
            found = read_object(path)
            process = psutil.Process(int(found["pid"]))
            # It has said so since it began.
            if process.ppid() == deployment.pid and process.create_time() <= float(found["time"]) + 1.0:
                yield found
        except (ModelError, psutil.Error, KeyError, ValueError):
            continue
